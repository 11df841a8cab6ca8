// A file of a build context that is being written to is copied whole or not at all.
import { spawn } from 'node:child_process'
import { readFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { describeOddContexts } from './support/odd-contexts.ts'

describeOddContexts((odd) => {
  const { contextOf, output, build, copied } = odd

  describe('a file that is being written to', () => {
    /** Runs `script` in the context while `act` runs; it says `ready` when the writing has begun. */
    const during = async <T>(context: string, script: string, act: () => Promise<T>): Promise<T> => {
      const writer = spawn(process.execPath, ['-e', script], {
        cwd: context,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const closed = new Promise((resolve) => writer.on('close', resolve))
      await new Promise((resolve) => writer.stdout.once('data', resolve))
      try {
        return await act()
      } finally {
        writer.kill('SIGKILL')
        await closed
      }
    }
    const header = `const fs = require('fs'); const fd = fs.openSync('f', 'r+'); let n = 0; let said = false
const ready = () => { if (!said) fs.writeSync(1, 'ready'); said = true }
`
    const mebibyte = 1 << 20
    const block = 1 << 16
    const letterAt = (content: Buffer, at: number): number | undefined => {
      const part = content.subarray(at, at + block)
      return part.every((byte) => byte === part[0]) ? part[0] : undefined
    }
    /** What writes to the file, and whether it was ever like that: a build that met no change may succeed. */
    const writers: Record<
      string,
      { readonly script: string; wasLike(content: Buffer, size: number): boolean }
    > = {
      'of one size': {
        script: `for (;;) { n++; const b = Buffer.alloc(${block}, 65 + n % 26); for (let at = 0; at < ${mebibyte}; at += b.length) fs.writeSync(fd, b, 0, b.length, at); ready() }`,
        // From the start on it has the next letter, up to where the writer has come.
        wasLike(content, size) {
          const first = letterAt(content, 0) ?? 0
          const letters = Array.from({ length: mebibyte / block }, (_, i) => letterAt(content, i * block))
          const come = letters.findIndex((letter) => letter !== first)
          const rest = come === -1 ? [] : letters.slice(come)
          const former = first === 65 ? 90 : first - 1
          return content.length === size && rest.every((letter) => letter === former)
        },
      },
      'that grows': {
        script: `const end = fs.fstatSync(fd).size; for (;;) { fs.writeSync(fd, 'more', end + 4 * n++); ready() }`,
        wasLike: (content, size) =>
          content.toString('latin1', size) === 'more'.repeat(Math.trunc((content.length - size) / 4)),
      },
      'that shrinks and grows': {
        script: `for (;;) { fs.ftruncateSync(fd, n++ % 2 ? 100 : ${mebibyte}); fs.writeSync(fd, 'x', 0); ready() }`,
        wasLike: ({ length }) => length === 100 || length === mebibyte,
      },
      'that is replaced': {
        script: `for (;;) { fs.writeFileSync('../' + process.pid, Buffer.alloc(${mebibyte}, 65 + n++ % 26)); fs.renameSync('../' + process.pid, 'f'); ready() }`,
        wasLike: (content) => content.length === mebibyte && content.every((byte) => byte === content[0]),
      },
    }

    describe.each([
      ['small', mebibyte],
      ['large and with holes', 64 * mebibyte],
    ])('%s', (_, size) => {
      it.each(Object.entries(writers))('%s is not copied half', async (_how, { script, wasLike }) => {
        const context = contextOf({ f: 'A'.repeat(mebibyte) })
        truncateSync(join(context, 'f'), size)
        await during(context, header + script, async () => {
          for (const dockerfile of ['COPY . /', 'COPY f /', 'ADD f /']) {
            const { status, stderr } = await build(context, dockerfile, '--no-cache')
            if (status === 0) expect(wasLike(readFileSync(join(output(context), 'f')), size)).toBe(true)
            else expect(stderr).toMatch(/ERROR: failed to build: (read|copy) .*f.*(changed|disappeared)/)
          }
        })
        // Nothing of what was seen meanwhile is remembered.
        const before = readFileSync(join(context, 'f'))
        expect((await build(context, 'COPY . /')).status).toBe(0)
        expect(readFileSync(join(output(context), 'f')).equals(before)).toBe(true)
      })
    })

    it("beside the files that a step uses is in nobody's way", async () => {
      const context = contextOf({ f: 'A'.repeat(1 << 20), g: 'g' })
      await during(context, header + writers['that grows']?.script, async () => {
        expect(await copied(context, 'COPY g /')).toEqual({ g: 'g' })
        expect(await copied(context, 'COPY --exclude=f . /')).toEqual({ g: 'g' })
      })
    })
  })
})
