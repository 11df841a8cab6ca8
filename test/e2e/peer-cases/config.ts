// Builds whose point is the image config: variables, quoting, inheritance, resets.
import { contextRoot, type PeerCases } from './case.ts'

export const configCases: PeerCases = {
  'config instructions': {
    dockerfile: `FROM base
LABEL a=1 b="two words"
ENV PLAIN=1 QUOTED="a b" REF=$PLAIN
ENV REF2=\${PLAIN}-\${MISSING:-default}
EXPOSE 80 443/tcp 53/udp
VOLUME /data /more
WORKDIR /srv
WORKDIR deep/er
USER app
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=5s --timeout=3s --retries=2 CMD echo ok
SHELL ["/bin/sh", "-ec"]
ENTRYPOINT ["/bin/echo", "a b"]
CMD ["x", "y"]
ONBUILD RUN echo later
ONBUILD COPY --chown=1 a /b
`,
  },
  'shell forms and arguments': {
    dockerfile: `ARG GLOBAL=g
FROM base
ARG GLOBAL
ARG WITH_DEFAULT=d
ARG FROM_CLI
ARG EMPTY=
ARG NEVER_SET
RUN echo "$GLOBAL $WITH_DEFAULT $FROM_CLI $EMPTY $NEVER_SET" > /args
ENV KEPT=$FROM_CLI
CMD echo shell form
ENTRYPOINT sleep 1
`,
    args: ['--build-arg', 'FROM_CLI=cli value'],
  },
  'quoting in ENV and LABEL': {
    dockerfile: `FROM base
ENV legacy form with   blanks and "quotes" kept
ENV SINGLE='a $PATH "b"' DOUBLE="c 'd' \\"e\\" \\$f" BARE=g\\ h\\"i\\'j MIXED=a"b c"'d e'f
ENV EMPTY= EMPTY2="" EQUALS=a=b=c
ENV MULTI=one \\
    LINES="two \\
three"
ENV ref $MULTI\${LINES}
ENV UNICODE=äöü\\u00e9 BACKSLASHES=a\\\\b\\\\\\\\c TAB="a	b"
ENV DEFAULT=\${NONE:-"x y"} ALTERNATE=\${MULTI:+set} NESTED=\${NONE:-\${MULTI}} ESCAPED=\\\${MULTI} PLAIN_UNSET=\${NONE}end
LABEL "quoted key"="v 1" k2=v\\ 2 multi.line="first \\
second" single='$MULTI' expanded="$MULTI"
LABEL old form label
LABEL empty= json='{"a": [1, "b"]}' url="http://x/?a=b&c=d"
RUN env | grep -v -e '^HOSTNAME=' -e '^OTEL_' -e ^TRACE | sort > /env
`,
  },
  'ARG and ENV of one name': {
    dockerfile: `ARG TAG=latest
ARG GLOBAL_REF=pre-\${TAG}
FROM base
ENV A=env B=env
ARG A=arg
ARG B
ARG C=arg-c
ENV C=env-c
ARG D=\${A}-\${C}
ARG GLOBAL_REF
ARG HTTP_PROXY
ENV SEEN="$A $B $C $D $GLOBAL_REF"
RUN echo "$A $B $C $D $GLOBAL_REF" > /seen
ENV A=after
RUN echo "$A" >> /seen
WORKDIR /work-$D
LABEL arg=$D
USER $UNSET_USER_VARIABLE:-root
USER root
`,
    args: ['--build-arg', 'B=cli-b', '--build-arg', 'HTTP_PROXY='],
  },
  'the scope of SHELL': {
    dockerfile: `FROM base AS one
SHELL ["/bin/busybox", "sh", "-c"]
RUN echo "$0" > /one
CMD one
FROM base AS two
RUN echo "$0" > /two
CMD two
FROM one
COPY --from=two /two /two
RUN echo "$0" > /three
ENTRYPOINT three
HEALTHCHECK CMD four
`,
  },
  'a stage inherits everything of its base stage': {
    dockerfile: `FROM base AS parent
ENV A=1 PATH=/opt/bin:$PATH
LABEL from=parent over=parent
USER app:extra
WORKDIR /parent
EXPOSE 1
VOLUME /v1
STOPSIGNAL 9
HEALTHCHECK --start-period=1m CMD ["true"]
ENTRYPOINT ["/entry"]
CMD ["from", "parent"]
FROM parent AS middle
ENV A=\${A}2 B=\${A}
EXPOSE 2/udp
VOLUME ["/v2", "/v 3"]
LABEL over=middle
WORKDIR ../middle
FROM middle
RUN pwd > /tmp/pwd; id -u > /tmp/id; echo $A $B $PATH > /tmp/env
`,
  },
  'ENTRYPOINT takes away an inherited CMD': {
    dockerfile: `FROM base AS one
CMD ["inherited"]
FROM one AS two
ENTRYPOINT ["two"]
FROM two AS three
CMD ["three"]
ENTRYPOINT []
FROM three
CMD []
`,
  },
  'ENTRYPOINT keeps a CMD of its own stage': {
    dockerfile: 'FROM base\nCMD ["own"]\nENTRYPOINT exec shell "form"\nCMD own  shell   form\n',
  },
  'resets and odd spellings': {
    dockerfile: `from base
healthcheck CMD first
Healthcheck none
stopsignal SIGRTMIN+3
expose 8080/TCP 9000-9002 \\
   53/udp
volume ["/json list"]
VOLUME /a /b \\
  /c
maintainer Some One <some@one.example>
CMD [ "a" , "b\\"c", "\\u00e9" ]
ENTRYPOINT ['not', 'json']
workdir "/quoted dir"
WORKDIR rel\\ ative/./x/../y
USER 1000:2000
`,
  },
  'instructions without arguments': {
    dockerfile: 'FROM base\nWORKDIR /w\nWORKDIR $EMPTY\nRUN\nENTRYPOINT\nCMD\n',
  },
  'several values in one instruction': {
    dockerfile: `FROM base
ARG A=1 B C="three words"
ENV X=$A$B Y=\${C:+$C} \\
  # a comment in between
  Z=\${X:-"unset before"}

ENV A=over
LABEL l1=$X l2='$Y' \\
# at the left
      l3="$Z"
EXPOSE 1 2-4/tcp
RUN echo "$A|$B|$C|$X|$Y|$Z" \\
  # in a shell command, too
  > /values
`,
  },
  'escape directive': {
    dockerfile: `# escape=\`
FROM base
ENV A=c:\\windows B=\`"q C=x\`
y
RUN echo a \`
  && echo "$A" > /a
LABEL path="c:\\x\\" tick=\`\`
CMD echo \`
  hello
`,
  },
  // Only one FROM: before 0.19 the triggers ran again in every stage built on this one.
  'triggers of a base image': {
    dockerfile: 'FROM with-triggers\nRUN echo child >> /log\n',
    files: { copied: 'copied\n' },
    differs: contextRoot('app'),
    images: {
      'with-triggers': `FROM base
WORKDIR /app
ENV WHO=trigger
ONBUILD ARG WHEN=later
ONBUILD COPY . .
ONBUILD RUN echo $WHO $WHEN >> /log
ONBUILD ENV FROM_TRIGGER=1
ONBUILD WORKDIR sub
ONBUILD USER app
ONBUILD CMD ["trigger"]
ONBUILD USER root
`,
    },
  },
  'triggers of a stage': {
    dockerfile: `FROM base AS parent
ONBUILD COPY copied /
ONBUILD RUN cat /copied > /ran
ONBUILD LABEL by=trigger
RUN test ! -e /ran
FROM parent
RUN test -s /ran
`,
    files: { copied: 'copied\n' },
  },
  'command line labels, arguments and target': {
    dockerfile: `ARG BASE
FROM \${BASE} AS first
LABEL a=file b=file
ARG USED=default
RUN echo $USED > /used
FROM first AS wanted
ARG USED
ARG TARGETARCH
ARG TARGETPLATFORM
ARG BUILDPLATFORM
RUN echo "$USED $TARGETARCH $TARGETPLATFORM $BUILDPLATFORM" > /again
FROM wanted AS unwanted
RUN exit 1
`,
    args: [
      '--build-arg',
      'BASE=base',
      '--build-arg',
      'USED=cli',
      '--label',
      'b=cli',
      '--label',
      'c=d e',
      '--target',
      'wanted',
    ],
  },
}
