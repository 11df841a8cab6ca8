// The two ways in which layers are mounted: one by one, and as one text on kernels before 6.5 (newer ones take it, too).
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { FileEncoder } from '../../src/sys/file-wire.ts'
import { type OverlayUse, overlaySteps } from '../../src/sys/overlay-steps.ts'
import { namespaces, privateStep, RequestWriter, type Step, slots } from '../../src/sys/steps.ts'
import { apply, directory } from './files-rig.ts'
import { dist, isRoot, withDirectory } from './native.ts'

const layers = { lower: ['/s/a/fs', '/s/b/fs'], upper: '/u,p', work: '/w', target: '/t' }
const use: OverlayUse = { isInitial: true, onto: slots.place, into: slots.root }

function stepsFor(kernel: string, change: Partial<OverlayUse> = {}, lower = layers.lower): Step[] {
  const steps: Step[] = []
  overlaySteps({ ...layers, lower }, { ...use, ...change }, (step) => steps.push(step), kernel)
  return steps
}

describe('layers as steps', () => {
  test('are named one by one since Linux 6.5, the uppermost first', () => {
    for (const kernel of ['6.5.0-1-amd64', '6.18.44', '7.0']) {
      const [step, ...others] = stepsFor(kernel)
      expect(others).toEqual([])
      expect(step?.rest).toEqual([
        ...['lowerdir+', '/s/b/fs', 'lowerdir+', '/s/a/fs', 'upperdir', '/u,p', 'workdir', '/w'],
        ...['index', 'off', 'xino', 'off', 'redirect_dir', 'off', 'metacopy', 'off', 'volatile', ''],
      ])
    }
  })

  test('keep their marks in user attributes in a user namespace', () => {
    const [step] = stepsFor('6.6.1', { isInitial: false })
    expect(step?.rest?.slice(8)).toEqual(['index', 'off', 'xino', 'off', 'volatile', '', 'userxattr', ''])
  })

  test('are one text before, with what separates in it escaped', () => {
    const [open, mount] = stepsFor('6.4.9-arch1', {}, ['/s/a:1/fs', '/s/b/fs'])
    expect(open).toMatchObject({ op: 'open', path: '/s/', into: slots.shown })
    expect(mount).toMatchObject({
      ...{ op: 'mountText', path: 'overlay', base: slots.shown, into: slots.root },
      rest: [
        '/t',
        'lowerdir=b/fs:a\\:1/fs,upperdir=/u\\,p,workdir=/w,index=off,xino=off,redirect_dir=off,metacopy=off,volatile',
      ],
    })
  })

  test('are too many for a text at some point', () => {
    const many = Array.from({ length: 400 }, (_, index) => `/s/${index}/layer/fs`)
    expect(() => stepsFor('5.15.0', {}, many)).toThrow('too many layers')
    expect(stepsFor('6.8.0', {}, many)).toHaveLength(1)
  })
})

// The files of `place` after a new one was written through the layers mounted as on such a kernel.
async function mounted(place: string, kernel: string): Promise<{ status: string; code: number | null }> {
  for (const name of ['a', 'b,c', 'up', 'work']) mkdirSync(join(place, name))
  for (const name of ['a', 'b,c']) mkdirSync(join(place, name, 'd'))
  writeFileSync(join(place, 'a/d/f'), 'below')
  writeFileSync(join(place, 'b,c/d/f'), 'above')
  chmodSync(join(place, 'up'), 0o755)
  const writer = new RequestWriter()
  const [upper, work] = [join(place, 'up'), join(place, 'work')]
  const add = (step: Step): void => writer.step(step)
  add({ op: 'unshare', act: 'create mount namespace', number: namespaces.mounts })
  add(privateStep)
  add({ op: 'open', act: 'open target', path: upper, into: slots.upper })
  const lower = [join(place, 'a'), join(place, 'b,c')]
  const into = { ...use, onto: slots.upper }
  overlaySteps({ lower, upper, work, target: upper }, into, add, kernel)
  // The target, written to as one file system.
  writer.record(1, [1, upper])
  const encoder = new FileEncoder()
  encoder.operation({ op: 'hardlink', path: 'd/g', target: 'd/f' })
  encoder.end()
  const child = spawn(join(dist, 'slipway-helper'), ['files', String(process.pid)], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe', 'pipe'],
    env: {},
  })
  let status = ''
  child.stdio[4]?.on('data', (chunk: Buffer) => {
    status += chunk.toString()
  })
  const request = child.stdio[3] as Writable
  request.end(Buffer.concat([writer.take(), ...encoder.take()]))
  const [code] = (await once(child, 'close')) as [number | null]
  return { status, code }
}

describe.skipIf(!isRoot)('layers on this kernel (needs root)', () => {
  test.each(['6.5.0', '5.15.0'])('look the same when mounted as on Linux %s', async (kernel) => {
    await withDirectory(async (place) => {
      const { status, code } = await mounted(place, kernel)
      expect({ code, status }).toMatchObject({ code: 0, status: expect.stringContaining('"hardlinks":1') })
      expect(readFileSync(join(place, 'up/d/g'), 'utf8')).toBe('above')
    })
  })

  test('that the kernel mounts only to be read, on a full disk, are an error', async () => {
    await withDirectory(async (place) => {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'nr_inodes=8', 'tmpfs', place])
      try {
        for (const name of ['lower', 'upper', 'work']) mkdirSync(join(place, name))
        fill(place)
        const [lower, upper, work] = [[join(place, 'lower')], join(place, 'upper'), join(place, 'work')]
        const target = { kind: 'overlay', lower, upper, work } as const
        await expect(apply(target, [directory('d')])).rejects.toMatchObject({
          code: 'ERR_FILES_NO_SPACE',
          message: expect.stringMatching(/^mount overlay: .*no space left on device/),
        })
      } finally {
        execFileSync('umount', [place])
      }
    })
  })
})

function fill(place: string): void {
  for (let made = 0; statfsSync(place).ffree > 0; made++) writeFileSync(join(place, `filler-${made}`), '')
}
