// What an ordinary user's builds cost compared with root's: the same builds by root, by a user with ranges of ids and by
// one with a single id, in turns. Makes the two users, so it needs root; skipped where there is no useradd.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { context, manyFiles } from './contexts.mjs'
import { run } from './peers.mjs'

const kinds = [
  { name: 'ranges', flags: [] },
  { name: 'single', flags: ['-r'] },
]

const builds = [
  { name: 'cached rebuild', runs: 11, discard: 2, isChanged: false },
  { name: '40 RUN steps', runs: 5, discard: 1, isChanged: true },
  { name: 'COPY of 5,000 files and a RUN that looks at them', runs: 5, discard: 1, isChanged: true },
]

/** A line for each build; `interleave` times competitors in turns and `fastest` is the figure that is compared. */
export async function rootless({ slipway, interleave, fastest }) {
  if (process.getuid() !== 0) return ['Rootless builds: not measured, only root can make users.']
  // Not below the bench's own directory: that one is root's.
  const work = mkdtempSync(join(tmpdir(), 'slipway-bench-users-'))
  const users = []
  try {
    run(['chmod', '755', work])
    cpSync(dirname(slipway.exe), join(work, 'dist'), {
      recursive: true,
      filter: (path) => !path.includes('/native'),
    })
    const exe = join(work, 'dist/slipway')
    contexts(work)
    for (const { name, flags } of kinds) users.push(makeUser(work, name, flags))
    const state = (owner) => ({ ...process.env, SLIPWAY_ROOT: join(owner, 'state'), HOME: owner })
    const root = join(work, 'root')
    mkdirSync(root)
    const competitors = [
      { env: state(root), command: [exe] },
      ...users.map(({ home, ids }) => ({
        env: state(home),
        command: ['setpriv', `--reuid=${ids.uid}`, `--regid=${ids.gid}`, '--clear-groups', exe],
      })),
    ]
    const lines = []
    for (const [index, { name, runs, discard, isChanged }] of builds.entries()) {
      const turn = (command) => (number) => {
        const args = isChanged ? ['--build-arg', `TURN=${number}`] : []
        return [
          ...command,
          'build',
          '--progress=plain',
          '-t',
          'bench',
          ...args,
          join(work, `context-${index}`),
        ]
      }
      const timed = competitors.map(({ env, command }) => ({ env, prepare: turn(command) }))
      const [ours, ...theirs] = (await interleave(timed, runs, discard)).map(fastest)
      const ratios = theirs.map((seconds, i) => `${kinds[i].name} ${(seconds / ours).toFixed(2)} ×`)
      lines.push(`Rootless ÷ root, ${name}: ${ratios.join(', ')} (root ${ours.toFixed(3)} s)`)
    }
    return lines
  } finally {
    for (const { name } of users) run(['userdel', name])
    rmSync(work, { recursive: true, force: true })
  }
}

function makeUser(work, kind, flags) {
  const name = `slipway-bench-${kind}-${process.pid}`.slice(0, 31)
  const home = join(work, kind)
  run(['useradd', '-M', '-U', '-d', home, ...flags, name])
  mkdirSync(home)
  run(['chown', `${name}:${name}`, home])
  const [uid, gid] = ['-u', '-g'].map((flag) => run(['id', flag, name]).stdout.trim())
  return { name, home, ids: { uid, gid } }
}

function contexts(work) {
  const start = 'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox","--install","-s","/bin"]\n'
  const steps = Array.from({ length: 40 }, (_, i) => `RUN echo ${i} > /step-${i}\n`).join('')
  const last = [
    'RUN echo built > /built\n',
    `ARG TURN\n${steps}`,
    'ARG TURN\nCOPY . /app\nRUN echo $TURN && find /app -type f -size +1k | wc -l && chown -R 1000 /app\n',
  ]
  for (const [index, instructions] of last.entries()) {
    const directory = context(join(work, `context-${index}`), start + instructions)
    cpSync('/bin/busybox', join(directory, 'busybox'))
    if (index === 2) manyFiles(join(directory, 'files'), 5000, 4096)
  }
  for (const name of readdirSync(work))
    if (name.startsWith('context-')) run(['chmod', '-R', 'a+rX', join(work, name)])
}
