// What a tree takes, compared with du.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { testNative, withDirectory } from './native.ts'

const native = testNative()

function du(directory: string): { bytes: number; inodes: number } {
  const run = (...flags: string[]): number =>
    Number(execFileSync('du', ['-s', ...flags, directory], { encoding: 'utf8' }).split('\t')[0])
  return { bytes: run('-k') * 1024, inodes: run('--inodes') }
}

describe('measuring a tree', () => {
  it('counts blocks, each file once, and follows no link', async () => {
    await withDirectory(async (directory) => {
      const script = `mkdir -p a/b/c; truncate -s 1G a/sparse; head -c 300000 /dev/zero > a/b/full
        for i in $(seq 600); do echo $i > a/$i; ln a/$i a/b/c/$i; done; ln -s / a/root; mkfifo a/pipe`
      execFileSync('bash', ['-ec', script], { cwd: directory })
      const found = await native.addon().measureTree(Buffer.from(join(directory, 'a')))
      expect(found).toEqual(du(join(directory, 'a')))
      expect(found.bytes).toBeLessThan(10_000_000)
      expect(await native.addon().measureTree(Buffer.from(join(directory, 'a/root')))).toMatchObject({
        inodes: 1,
      })
    })
  })

  it('fails by the errno of what is not there', async () => {
    await expect(native.addon().measureTree(Buffer.from('/proc/nothing'))).rejects.toMatchObject({
      code: 'ENOENT',
    })
  })
})
