// Removal of directories in which other programs left mounts (dockerd's network namespace, podman's storage).
import { readFileSync, rmSync } from 'node:fs'
import { tool } from './slipway.ts'

/** Unmounts whatever is mounted below `directory`, topmost first, and removes it. */
export function removeMounted(directory: string): void {
  const targets = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((target) => target.startsWith(`${directory}/`))
  for (const target of targets.reverse()) tool('umount', [target])
  rmSync(directory, { recursive: true, force: true })
}
