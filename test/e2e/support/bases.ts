// Base images without any outside registry: busybox from the host's static binary, Debian by mmdebstrap.
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, renameSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tool, type Workspace } from './slipway.ts'

const cache = join(tmpdir(), `slipway-e2e-bases-${process.getuid?.() ?? 0}`)

/** A Debian root file system as a tar, made once a machine; `extra` packages are added. */
export function debianTar(name: string, extra: readonly string[] = []): string {
  const path = join(cache, `${name}.tar`)
  if (existsSync(path)) return path
  mkdirSync(cache, { recursive: true, mode: 0o700 })
  const include = extra.length > 0 ? [`--include=${extra.join(',')}`] : []
  const fresh = join(cache, `${name}-${process.pid}.tar`)
  execFileSync('mmdebstrap', ['--quiet', '--variant=minbase', ...include, 'bookworm', fresh], {
    stdio: 'pipe',
  })
  renameSync(fresh, path)
  return path
}

/** Makes `reference` from a root file system tar, in the workspace's store. */
export function imageFromTar(
  ws: Workspace,
  reference: string,
  tar: string,
  flags: readonly string[] = [],
): void {
  const directory = join(ws.directory, `base-${reference.replace(/[^a-z0-9]/g, '-')}`)
  mkdirSync(directory, { recursive: true })
  copyFileSync(tar, join(directory, 'rootfs.tar'))
  ws.context(directory.slice(ws.directory.length + 1), {
    Dockerfile: 'FROM scratch\nADD rootfs.tar /\nCMD ["/bin/bash"]\n',
  })
  ws.ok('build', '-q', '-t', reference, ...flags, directory)
}

/** A busybox root file system tar with all applets as links, /etc/passwd and /etc/group. */
export function busyboxTar(): string {
  const path = join(cache, 'busybox.tar')
  if (existsSync(path)) return path
  mkdirSync(cache, { recursive: true, mode: 0o700 })
  const script = `set -e
d=$(mktemp -d); mkdir -p $d/bin $d/etc $d/tmp $d/root $d/usr/bin
chmod 1777 $d/tmp
cp /bin/busybox $d/bin/busybox
for a in $(/bin/busybox --list); do [ $a = busybox ] || ln -s busybox $d/bin/$a; done
printf 'root:x:0:0:root:/root:/bin/sh\\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\\napp:x:1000:1000:app:/home/app:/bin/sh\\n' > $d/etc/passwd
printf 'root:x:0:\\ndaemon:x:1:\\napp:x:1000:\\nextra:x:2000:app\\n' > $d/etc/group
tar -C $d --numeric-owner --owner=0 --group=0 --sort=name --mtime=@1700000000 -cf ${path}.new .
mv ${path}.new ${path}; rm -rf $d`
  tool('sh', ['-c', script])
  return path
}
