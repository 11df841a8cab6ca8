// The whole circle against the kernel's own overlayfs: changes made on a mount, written as a layer, unpacked
// somewhere else, must look the same; and so must what merged-tree.ts says without mounting.
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { writeLayer } from '../../src/layer/write-layer.ts'
import { mergedTree } from '../../src/snapshot/merged-tree.ts'
import { openMemoryStore } from '../../src/store/memory-store.ts'
import { isRoot, testNative } from '../sys/native.ts'
import { unpackTar } from './layer-fixture.ts'
import { changeOnOverlay, onOverlay } from './tree-fixture.ts'

const native = testNative()

let base: string
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'slipway-roundtrip-'))
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

/** What the kernel shows: one line an object. */
function kernelView(layers: readonly string[]): string[] {
  const list = String.raw`find . -mindepth 1 -printf '%P\t%y %m %U:%G %T@ %l\n' | LC_ALL=C sort; echo; find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum; echo; getfattr -Rhd -m '^(user|security\.capability)' -e hex . || true; echo; find . -type f -links +1 -printf '%i %P\n' | LC_ALL=C sort -k2`
  const scratch = mkdtempSync(join(base, 's'))
  const lines = onOverlay(layers, scratch, list).toString('latin1').split('\n')
  // Inode numbers as the first name that has them.
  const first = new Map<string, string>()
  return lines.map((line) =>
    line.replace(/^(\d{3,}) (.*)$/, (_all, inode: string, name: string) => {
      if (!first.has(inode)) first.set(inode, name)
      return `${first.get(inode)} ${name}`
    }),
  )
}

/** What merged-tree.ts says, as the first part of kernelView. */
function treeView(layers: readonly string[]): string[] {
  const tree = mergedTree(layers, { native })
  const root = tree.lookup('', { follow: false })
  const letters = { file: 'f', directory: 'd', symlink: 'l', char: 'c', block: 'b', fifo: 'p', socket: 's' }
  const lines = [...(root === undefined ? [] : tree.walk(root))].map((e) => {
    const seconds = `${e.mtimeNs / 1_000_000_000n}.${String(e.mtimeNs % 1_000_000_000n).padStart(9, '0')}0`
    return `${e.path}\t${letters[e.type]} ${e.mode.toString(8)} ${e.uid}:${e.gid} ${seconds} ${e.linkTarget ?? ''}`
  })
  return lines.sort()
}

const name = fc.constantFrom('a', 'b', 'c', 'd e')
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))
const change = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(path, fc.integer({ min: 0, max: 9 }))
      .map(([p, n]) => `mkdir -p "$(dirname "${p}")" && echo ${n} > "${p}"`),
  },
  { weight: 2, arbitrary: path.map((p) => `mkdir -p "${p}"`) },
  { weight: 3, arbitrary: path.map((p) => `rm -rf "${p}"`) },
  { weight: 1, arbitrary: path.map((p) => `rm -rf "${p}" && mkdir -p "${p}"`) },
  { weight: 2, arbitrary: fc.tuple(path, path).map(([a, b]) => `[ -f "${a}" ] && ln -f "${a}" "${b}"`) },
  { weight: 2, arbitrary: fc.tuple(path, path).map(([a, b]) => `mv -T "${a}" "${b}"`) },
  { weight: 1, arbitrary: fc.tuple(path, path).map(([a, b]) => `ln -sfn "/${a}" "${b}"`) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(path, fc.constantFrom('700', '1777', '4755', '2770'))
      .map(([p, m]) => `[ ! -L "${p}" ] && chmod ${m} "${p}"`),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(path, fc.integer({ min: 0, max: 300_000 }))
      .map(([p, id]) => `chown -h ${id}:7 "${p}"`),
  },
  { weight: 1, arbitrary: path.map((p) => `[ ! -L "${p}" ] && setfattr -n user.k -v 0x00ff0a "${p}"`) },
  {
    weight: 1,
    arbitrary: path.map(
      (p) =>
        `[ -f "${p}" ] && [ ! -L "${p}" ] && setfattr -n security.capability -v 0x0100000280ff00fe000000000000000000000000 "${p}"`,
    ),
  },
  { weight: 1, arbitrary: path.map((p) => `touch -h -d '2001-02-03 04:05:06.123456789 UTC' "${p}"`) },
  // Names of their own: opening a FIFO by mistake would wait for ever.
  { weight: 1, arbitrary: path.map((p) => `mkfifo "${p}.fifo"; mknod "${p}.null" c 1 3`) },
)
const script = fc
  .array(change, { minLength: 1, maxLength: 12 })
  .map((lines) => `{ ${lines.map((l) => `{ ${l}; } || true`).join('; ')}; } 2>/dev/null`)

describe.skipIf(!isRoot)('layers against the kernel (needs root and overlayfs)', () => {
  test('apply(diff(a, b), a) = b, and the merged view is what a mount shows', async () => {
    let run = 0
    await fc.assert(
      fc.asyncProperty(fc.array(script, { minLength: 1, maxLength: 3 }), async (scripts) => {
        const directory = join(base, String(run++))
        mkdirSync(directory)
        const store = openMemoryStore()
        const made: string[] = []
        const unpacked: string[] = []
        for (const [index, text] of scripts.entries()) {
          const upper = join(directory, `upper${index}`)
          changeOnOverlay(made, upper, mkdtempSync(join(directory, 's')), text)
          const { descriptor, diffId } = await writeLayer(upper, {
            lower: made,
            store,
            native,
            signal: new AbortController().signal,
          })
          expect(diffId).toBe(descriptor.digest)
          const copy = join(directory, `copy${index}`)
          await unpackTar(copy, await store.read(descriptor, 1 << 28), { native, lower: unpacked, diffId })
          made.push(upper)
          unpacked.push(copy)
          const expected = kernelView(made)
          expect(kernelView(unpacked)).toEqual(expected)
          expect(treeView(made)).toEqual(expected.slice(0, expected.indexOf('')))
          expect(treeView(unpacked)).toEqual(treeView(made))
        }
        rmSync(directory, { recursive: true })
      }),
      {
        numRuns: 25,
        // Shrinking costs a mount a step.
        interruptAfterTimeLimit: 60_000,
        markInterruptAsFailure: false,
        examples: [
          [
            [
              'mkdir -p d/s; touch d/old d/s/x; echo 1 > f; ln f g',
              'rm -rf d f; mkdir -p d/s f; touch d/new f/n',
              'mv d e; rm e/s -r; ln g h',
            ],
          ],
        ],
      },
    )
  }, 120_000)

  test('the same changes give the same archive, whatever the layers below are called', async () => {
    const text = 'mkdir d; echo 1 > d/f; ln d/f g; touch -d @1 d/f d'
    const digests: string[] = []
    for (const n of ['x', 'yy']) {
      const upper = join(base, n)
      changeOnOverlay([], upper, mkdtempSync(join(base, 's')), text)
      const store = openMemoryStore()
      const { descriptor } = await writeLayer(upper, {
        lower: [],
        store,
        native,
        signal: new AbortController().signal,
      })
      digests.push(
        createHash('sha256')
          .update(await store.read(descriptor, 1 << 20))
          .digest('hex'),
      )
    }
    expect(digests[0]).toBe(digests[1])
    expect(readFileSync(join(base, 'x', 'g'), 'utf8')).toBe('1\n')
  })
})
