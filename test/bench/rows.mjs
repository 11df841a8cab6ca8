// What is measured against the peers. `setup` prepares once; `turn` prepares one run of one peer, untimed, and
// returns the command line that is timed. `yardstick` is a plain command that does the least such work can be.
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { context, manyFiles, variant } from './contexts.mjs'
import { largeDockerfile } from './language.mjs'
import { run } from './peers.mjs'

/** The large file with commands that end at once, without what old daemons do not know and more layers than they can stack. */
function quickDockerfile(base) {
  const script = (i) => `RUN echo ${i} > /done`
  return largeDockerfile({
    base,
    parent: () => base,
    file: '/bin/busybox /h$VERSION',
    command: 'echo built > /built',
    script,
  })
}

/** Stages that stack; each makes two layers, because old daemons mount no more than 125. */
function stackedDockerfile(base) {
  const stage = (i) => [
    `FROM ${i === 0 ? base : `stage${i - 1}`} AS stage${i}`,
    `ARG VERSION=1.${i}`,
    `ENV APP_HOME=/srv/app${i} PATH="/srv/app${i}/bin:\${PATH}"`,
    `RUN echo ${i} > /done`,
    `COPY --chown=1000:1000 package.json lib/*.js /app${i}/`,
    `LABEL org.example.stage="${i}" org.example.version=$VERSION`,
    `ENV MODE=production LEVEL=${i}`,
    `EXPOSE ${8000 + i}/tcp`,
    `CMD ["app${i}"]`,
    'STOPSIGNAL SIGTERM',
  ]
  return `${Array.from({ length: 50 }, (_, i) => stage(i).join('\n')).join('\n')}\n`
}

function withLibrary(directory) {
  mkdirSync(join(directory, 'lib'))
  for (const name of ['package.json', 'lib/a.js', 'lib/b.js']) writeFileSync(join(directory, name), name)
}

/** The rows; `base` is the reference of a small busybox image in `registry`, which every peer has pulled. */
export function rows({ work, base, registry, slipway }) {
  const at = (name) => join(work, name)
  const build = (peer, directory, flags) => run(peer.build(directory, flags), { env: peer.env })
  const copied = new Map()
  const sh = (script, ...values) => ['sh', '-c', script, 'sh', ...values]
  const bigContext = () => {
    const big = context(at('big'), `FROM ${base}\nCOPY . /app\n`)
    manyFiles(join(big, 'files'), 30_000, 8533)
  }
  // The context of each peer, built by it if no row before did that.
  const builtOnce = (peers) => {
    if (copied.size > 0) return
    bigContext()
    for (const peer of peers) {
      copied.set(peer, variant(at('big'), at(`big-${peer.name}`), peer.name))
      build(peer, copied.get(peer), ['-t', 'big'])
    }
  }
  return [
    {
      name: 'cached rebuild (200 files, 1 RUN)',
      goal: 1.2,
      runs: 15,
      discard: 2,
      setup: () => {
        const small = context(at('small'), `FROM ${base}\nCOPY . /app\nRUN echo built > /built\n`)
        manyFiles(small, 200, 4096)
      },
      turn: (peer) => peer.build(at('small'), ['-t', 'small']),
    },
    {
      name: 'cached rebuild of 10 steps',
      goal: 0.9,
      runs: 21,
      discard: 2,
      setup: () => {
        const steps = Array.from({ length: 4 }, (_, i) => `COPY d${i} /d${i}/\nRUN echo ${i} > /step-${i}\n`)
        const ten = context(at('ten'), `FROM ${base}\nWORKDIR /app\n${steps.join('')}COPY . .\nCMD ["sh"]\n`)
        manyFiles(ten, 400, 4096)
      },
      yardstick: { name: '`node -e 0`', goal: 3, turn: () => [process.execPath, '-e', '0'] },
      turn: (peer) => peer.build(at('ten'), ['-t', 'ten']),
    },
    {
      name: 'cached rebuild of 500 instructions in 50 stages, each on the one before',
      goal: 0.6,
      runs: 11,
      discard: 1,
      setup: () => withLibrary(context(at('stacked'), stackedDockerfile(base))),
      turn: (peer) => peer.build(at('stacked'), ['-t', 'stacked']),
    },
    {
      name: 'cached rebuild of 500 instructions in 50 stages, all on the base',
      goal: 0.6,
      runs: 11,
      discard: 1,
      setup: () => withLibrary(context(at('stages'), quickDockerfile(base))),
      turn: (peer) => peer.build(at('stages'), ['-t', 'stages']),
    },
    {
      name: '40 RUN steps',
      goal: 0.35,
      runs: 5,
      discard: 1,
      setup: () => {
        const steps = Array.from({ length: 40 }, (_, i) => `RUN echo ${i} > /step-${i}`)
        context(at('steps'), `FROM ${base}\nARG TURN\n${steps.join('\n')}\n`)
      },
      turn: (peer, turn) => peer.build(at('steps'), ['-t', 'steps', '--build-arg', `TURN=${turn}`]),
    },
    {
      name: 'COPY of 30,000 files, 250 MB',
      goal: 0.5,
      runs: 5,
      setup: bigContext,
      yardstick: {
        name: '`cp -a`',
        goal: 2,
        turn: (turn) => ['cp', '-a', at('big'), at(`big-cp-${turn}`)],
      },
      turn: (peer, turn) => {
        copied.set(peer, variant(at('big'), at(`big-${peer.name}-${turn}`), turn))
        return peer.build(copied.get(peer), ['-t', 'big'])
      },
    },
    {
      name: 'no-op rebuild of 30,000 files',
      goal: 0.4,
      runs: 7,
      discard: 1,
      setup: builtOnce,
      yardstick: {
        name: '`find -printf`',
        goal: 2,
        turn: () => ['find', at('big'), '-printf', '%p %y %m %U %G %s %T@ %C@ %D %i\\n'],
      },
      turn: (peer) => peer.build(copied.get(peer), ['-t', 'big']),
    },
    {
      name: 'rebuild after 1 of 30,000 files changed',
      goal: 0.4,
      runs: 5,
      setup: builtOnce,
      turn: (peer) => {
        appendFileSync(join(copied.get(peer), 'files/d0/f1'), 'changed\n')
        run(['sync'])
        return peer.build(copied.get(peer), ['-t', 'big'])
      },
    },
    {
      // All beside each other, so that nobody can leave out a directory unseen.
      name: '30,000 files ignored but one',
      goal: 0.7,
      runs: 11,
      discard: 1,
      setup: () => {
        const ignored = context(at('ignored'), `FROM ${base}\nCOPY . /app\n`)
        run(sh('cd "$1" && seq -f f%.0f 30000 | xargs touch', ignored))
        writeFileSync(join(ignored, '.dockerignore'), '*\n!f700\n')
      },
      // Something is copied each time, so that the build is more than a look at the context.
      turn: (peer, turn) => {
        writeFileSync(join(at('ignored'), 'f700'), `${peer.name} ${turn}\n`)
        return peer.build(at('ignored'), ['-t', 'ignored'])
      },
    },
    {
      name: '30,000 files in ignored directories but one',
      runs: 11,
      discard: 1,
      setup: () => {
        const ignored = context(at('ignored-directories'), `FROM ${base}\nCOPY . /app\n`)
        manyFiles(join(ignored, 'files'), 30_000, 100)
        writeFileSync(join(ignored, '.dockerignore'), '*\n!files/d7/f700\n')
      },
      turn: (peer, turn) => {
        writeFileSync(join(at('ignored-directories'), 'files/d7/f700'), `${peer.name} ${turn}\n`)
        return peer.build(at('ignored-directories'), ['-t', 'ignored-directories'])
      },
    },
    {
      name: 'COPY of one file of 1 GiB',
      runs: 3,
      setup: () => {
        context(at('one'), `FROM ${base}\nCOPY blob /blob\n`)
        run(sh('head -c 1073741824 /dev/urandom > "$1"', at('one/blob')))
      },
      yardstick: {
        name: '`sha256sum` and `cp`',
        goal: 1.3,
        turn: (turn) => sh('sha256sum "$1" && cp "$1" "$2"', at('one/blob'), at(`one-cp-${turn}`)),
      },
      turn: (peer, turn) => {
        // Another first byte: no builder has seen the file.
        run(
          sh('printf "\\\\$1" | dd of="$2" conv=notrunc status=none && sync', `${turn + 1}`, at('one/blob')),
        )
        return peer.build(at('one'), ['-t', 'one'])
      },
    },
    {
      name: 'push of a layer of 250 MB',
      runs: 3,
      setup: () => {
        const pushed = context(at('pushed'), `FROM ${base}\nCOPY . /app\n`)
        manyFiles(join(pushed, 'files'), 1000, 250_000)
      },
      turn: (peer, turn) => {
        const name = `${registry}/bench/push-${peer.name}:${turn}`
        build(peer, variant(at('pushed'), at(`pushed-${peer.name}-${turn}`), `${peer.name} ${turn}`), [
          '-t',
          name,
        ])
        run(['sync'])
        return peer.push(name)
      },
    },
    {
      name: 'pull and unpack 600 MB in 20,000 files',
      goal: 1,
      runs: 3,
      setup: () => {
        const image = context(at('image'), `FROM ${base}\nCOPY . /files\n`)
        manyFiles(join(image, 'files'), 20_000, 30_000)
        for (let turn = 0; turn < 3; turn++) {
          appendFileSync(join(image, 'turn'), `${turn}\n`)
          const flags = ['-t', `${registry}/bench/image:${turn}`, '--push']
          run(slipway.build(image, flags), { env: slipway.root('builder') })
        }
        run(['sync'])
      },
      turn: (peer, turn) => {
        const image = `${registry}/bench/image:${turn}`
        if (peer !== slipway) return peer.pull(image)
        // slipway unpacks a base image when a step first runs on it, so a step is part of what is timed.
        const user = context(at(`user-${turn}`), `FROM ${image}\nRUN ["/bin/busybox","true"]\n`)
        return peer.build(user, [])
      },
    },
    {
      name: 'rebuild on an empty machine from the inline cache in a registry (10 steps, 60 MB)',
      goal: 0.7,
      runs: 5,
      discard: 1,
      // buildah's caches are of another kind.
      peers: ['slipway', 'docker'],
      setup: (peers) => {
        // Lots that are drawn anew tell a step that ran from one that was found.
        const draw = (i) => `RUN head -c 20000000 /dev/urandom > /random-${i}\n`
        const steps = [0, 1, 2].map((i) => `COPY d${i} /d${i}/\n${draw(i)}`).join('')
        const far = context(
          at('far'),
          `FROM ${base}\nWORKDIR /app\n${steps}COPY . .\nRUN echo built > /built\n`,
        )
        manyFiles(far, 2000, 2048)
        for (const peer of peers) {
          const image = `${registry}/bench/far-${peer.name}:1`
          if (peer === slipway) {
            const flags = ['--network=host', '-t', image, '--push', '--cache-to', 'type=inline']
            run(peer.build(far, flags), { env: slipway.root('builder') })
          } else {
            build(peer, far, ['-t', image, '--build-arg', 'BUILDKIT_INLINE_CACHE=1'])
            run(peer.push(image), { env: peer.env })
          }
        }
      },
      turn: (peer, turn) => {
        const image = `${registry}/bench/far-${peer.name}:1`
        const flags = ['--network=host', '-t', 'far', '--cache-from', image]
        const command = peer.build(at('far'), flags)
        // A state directory that nobody has used.
        if (peer === slipway)
          return ['env', `SLIPWAY_ROOT=${slipway.root(`empty-${turn}`).SLIPWAY_ROOT}`, ...command]
        run([command[0], 'system', 'prune', '-af'], { env: peer.env })
        run([command[0], 'builder', 'prune', '-af'], { env: peer.env })
        return command
      },
    },
  ]
}
