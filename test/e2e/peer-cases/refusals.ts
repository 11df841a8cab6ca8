// Dockerfiles that no builder builds.
import type { PeerCases } from './case.ts'

/** What follows `FROM base`; the context has `file` and `dir/f`. */
const refusals: readonly string[] = [
  'COPY missing /\n',
  'COPY file dir /one-file\n',
  'COPY file missing* absent /d/\n',
  'COPY "file with blank" /\n',
  'COPY ["quo\\"te", "/"]\n',
  'COPY file /etc/passwd/below\n',
  'RUN mkdir /file\nCOPY dir /\nCOPY file /file/\nRUN rm -r /file && echo > /file\nCOPY dir /file\n',
  'COPY --from=1 file /\n',
  'FROM base AS own\nCOPY --from=own file /\n',
  'FROM base AS 2\n',
  'COPY --from=base /nowhere /\n',
  'RUN exit 3\n',
  'USER nobody-knows\nRUN true\n',
  'RUN ["no-such-program"]\n',
  'RUN ["true"\n',
  'WORKDIR /etc/passwd\n',
  'WORKDIR /etc/passwd/x\n',
  'ENV A\n',
  `ENV A=\${B:?must be set}\n`,
  `ENV A=\${B\n`,
  'EXPOSE 70000\n',
  'EXPOSE 80/nope\n',
  'STOPSIGNAL SIGNOPE\n',
  'HEALTHCHECK --interval=1 CMD true\n',
  'HEALTHCHECK MAYBE\n',
  'SHELL /bin/sh\n',
  'VOLUME\n',
  'VOLUME [""]\n',
  'USER\n',
  'HEALTHCHECK CMD\n',
  'USER app:no-such-group\nRUN true\n',
  'USER -1\nRUN true\n',
  'LABEL a\n',
  'ONBUILD ONBUILD RUN true\n',
  'ONBUILD FROM base\n',
  'CMD [1, 2]\n',
  'NOPE\n',
  'RUN --nope true\n',
  'ADD file\n',
]

/** The refusals as cases. */
export const refusalCases: PeerCases = Object.fromEntries(
  refusals.map((dockerfile) => [
    JSON.stringify(dockerfile).slice(1, -1),
    { dockerfile: `FROM base\n${dockerfile}`, files: { file: 'f', 'dir/f': 'f' } },
  ]),
)
