// Builds whose point is RUN: what a step leaves in its layer, what it sees while it runs.
import type { PeerCases } from './case.ts'

export const runCases: PeerCases = {
  'whiteouts, opaque directories, links, modes, devices': {
    dockerfile: `FROM base
RUN mkdir -p /tree/a/b && echo 1 > /tree/a/b/f && echo 2 > /tree/g && ln /tree/g /tree/h && ln -s ../g /tree/a/s
RUN rm /tree/a/b/f && rm -rf /tree/a && mkdir /tree/a && echo new > /tree/a/new
RUN rm -rf /tree/a && echo file > /tree/a
RUN mkdir -m 1777 /sticky && touch /sticky/s && chmod 6755 /sticky/s && chown 7:8 /sticky/s && chmod 6755 /sticky/s && mkfifo /pipe && mknod /null c 1 3 && mknod /loop b 7 9
RUN true
RUN mv /bin/wget /bin/moved && chmod 700 /root
`,
  },
  'changes without content': {
    dockerfile: `FROM base
RUN mkdir /d && echo a > /d/a && echo b > /d/b && echo c > /d/c && chown 5:6 /d/b
RUN chmod 600 /d/a
RUN chown app:extra /d/b
RUN touch -d @1000000000 /d/c
RUN chmod 711 /d
RUN cat /d/a > /tmp/a && cat /tmp/a > /d/a && rm /tmp/a
RUN rm /d/b && echo b > /d/b
`,
  },
  'hard links across layers': {
    dockerfile: `FROM base
RUN echo one > /a && ln /a /b
RUN ln /a /c
RUN echo two >> /b
RUN rm /a && ln /c /d
RUN mkdir /dir && mv /c /dir/c && chmod 400 /d && ln /dir/c /dir/e
`,
  },
  'directories moved and replaced': {
    dockerfile: `FROM base
RUN mkdir -p /lib/a/b/c && echo 1 > /lib/a/1 && echo 2 > /lib/a/b/2 && echo 3 > /lib/a/b/c/3 && ln -s b/2 /lib/a/l
RUN mv /lib/a /lib/moved
RUN mkdir /lib/a && mv /lib/moved/b /lib/a/b && rmdir /lib/moved/c 2>/dev/null; rm -r /lib/moved && mkdir /lib/moved
RUN rm -rf /lib/a/b && ln -s ../moved /lib/a/b && echo through > /lib/a/b/through
RUN rm /lib/a/b && mkdir /lib/a/b && rm -rf /lib/moved/* && rmdir /lib/moved
RUN rm -r /lib && mkdir -p /lib/a && touch /lib/a/.keep
RUN mkdir -p /tmp/gone && rm -r /tmp/gone && mkdir /empty && for i in 1 2 3 4 5 6 7 8 9; do mkdir -p deep/$i && cd deep/$i; done && touch leaf
`,
  },
  'exec form and what a process sees': {
    dockerfile: `FROM base
ENV GREETING="hello world"
RUN ["/bin/sh", "-c", "echo \\"$GREETING\\" > /greeting; echo $0 >> /greeting", "zero"]
RUN ["touch", "/with space", "/$HOME"]
WORKDIR /here
RUN umask > umask; pwd > pwd; ls -A / > root; readlink /proc/self/cwd > cwd
RUN grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status > status; ulimit -c > ulimit
RUN ls -l /dev | grep -v otel | awk '{ print $1, $3, $4, $NF }' | sort > dev; ls -l /dev/pts /dev/shm | awk '{ print $1, $NF }' > below
RUN for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/irq/x /proc/kcore /proc/keys /sys/x /sys/firmware/x /etc/hosts /etc/resolv.conf; do (echo > $f) 2> /dev/null && echo $f; done > writable; true
RUN for f in /proc/kcore /proc/keys /proc/timer_list; do wc -c < $f; done > masked; ls -A /proc/acpi /sys/firmware >> masked
RUN mkdir /mnt; mount -t tmpfs t /mnt 2> /dev/null; echo $? > mount; chroot / true; echo $? > chroot; hostname x 2> /dev/null; echo $? > sethostname; mknod m c 1 3; chown 3 m; su app -c id | cut -d' ' -f1,2 > su
RUN env | grep -v -e ^OTEL_ -e ^TRACE | sed s/^HOSTNAME=.*/HOSTNAME/ | sort > env
RUN test -s /etc/resolv.conf && test -s /etc/hosts && touch /etc/touched
`,
  },
  users: {
    // Newer runtimes also put a process's own group among its supplementary ones (CVE-2022-36109).
    dockerfile: `FROM base
RUN mkdir -p /home/app && chown app:app /home/app && mkdir -m 777 /out
SHELL ["/bin/sh", "-c", "{ id -un; id -u; id -g; id -G | tr ' ' '\\\\n' | grep -vx $(id -g); echo $HOME; pwd; } > /out/$0 2>&1"]
RUN default
USER app:extra
RUN name-and-group
USER app
RUN name
USER 4242
RUN unknown-number
USER 1000
RUN known-number
USER 4242:4343
RUN numbers
USER app:4343
RUN name-and-number
USER 1000:extra
RUN number-and-name
USER root:app
WORKDIR /out
RUN root-in-group
ENV HOME=/elsewhere
USER app
RUN home-from-env
USER root
`,
  },
  'directories made by WORKDIR': {
    dockerfile: `FROM base
RUN mkdir -m 700 /made && chown app /made && ln -s /made /link
WORKDIR /made
WORKDIR /link/below
WORKDIR ../sibling
USER app
WORKDIR /made/by/app
WORKDIR /
`,
  },
  'VOLUME, then write': {
    dockerfile: `FROM base
RUN mkdir /data && echo before > /data/before
VOLUME /data
RUN echo after > /data/after && rm /data/before
COPY file /data/copied
`,
    files: { file: 'file\n' },
  },
  'capabilities set by a step': {
    dockerfile:
      'FROM base\nCOPY setcap /\nRUN cp /bin/busybox /ping && /setcap cap_net_raw+ep /ping\nRUN chmod 750 /ping\nRUN chown 1:1 /ping\nRUN mv /ping /bin/ping2\n',
    prepare: `mkdir setcap; cp /usr/sbin/setcap setcap/; for l in $(ldd /usr/sbin/setcap | grep -o '/[^ ]*'); do mkdir -p setcap$(dirname $l); cp -L $l setcap$l; done`,
  },
  scratch: {
    // Directories that were made for mount points go away with them since BuildKit 0.11.
    apart: /^etc$/,
    dockerfile:
      'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "touch", "/made"]\nENV A=b\nRUN ["busybox", "mkdir", "-p", "/x/y"]\nWORKDIR /w\nCOPY f .\n',
    files: { f: 'f' },
    prepare: 'cp /bin/busybox busybox',
  },
  'nothing but a base': { dockerfile: 'FROM base\n' },
  'files that steps find bound over': {
    dockerfile: `FROM base
RUN true
RUN mkdir -p /etc/conf.d && echo x > /etc/conf.d/x
COPY hosts resolv.conf /etc/
RUN cat /etc/hosts > /seen && echo written >> /etc/hosts || true
RUN rm -f /etc/resolv.conf; true
RUN echo in-dev > /dev/null; touch /dev/shm/x /proc/x /sys/x 2>/dev/null; true
`,
    files: { hosts: '9.9.9.9 from-context\n', 'resolv.conf': '# from context\n' },
  },
}
