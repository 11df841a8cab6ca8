// Files read by the batch: whole, from where they were listed, or not at all.
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FileBatch, type FileToRead, type ReadFailure } from '../../src/sys/read-files.ts'
import { testNative } from './native.ts'

const native = testNative()
let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(realpathSync(tmpdir()), 'slipway-read-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const at = (name: string): string => join(directory, name)

/** The file as it is now. */
function listed(name: string): FileToRead {
  const { size, dev, ino, mtimeNs, ctimeNs } = lstatSync(Buffer.from(at(name), 'latin1'), { bigint: true })
  return { path: at(name), size: Number(size), state: { dev, ino, times: { mtimeNs, ctimeNs } } }
}

async function read(files: readonly FileToRead[], into?: Buffer): Promise<Buffer | ReadFailure> {
  const batch = new FileBatch(native)
  let offset = 0
  for (const file of files) {
    batch.add(file, offset)
    offset += file.size
  }
  const bytes = into ?? Buffer.alloc(offset)
  return (await batch.read(bytes)) ?? bytes
}

describe('FileBatch', () => {
  test('reads each file to its place, empty ones and any names, too', async () => {
    writeFileSync(at('a'), 'one')
    writeFileSync(at('b'), '')
    writeFileSync(Buffer.from(at('\xff\n'), 'latin1'), 'two')
    expect(String(await read([listed('a'), listed('b'), listed('\xff\n'), listed('a')]))).toBe('onetwoone')
    expect(await read([])).toEqual(Buffer.alloc(0))
  })

  test('more files than the list had room for', async () => {
    const files = Array.from({ length: 1500 }, (_, i) => {
      writeFileSync(at(`file-${i}`), `${i},`)
      return listed(`file-${i}`)
    })
    const wanted = files.map((_, i) => `${i},`).join('')
    expect(String(await read(files))).toBe(wanted)
  })

  const changes: Readonly<Record<string, readonly [change: (path: string) => void, code: string]>> = {
    'a longer file': [(path) => appendFileSync(path, '!'), 'CHANGED'],
    'a shorter file': [(path) => truncateSync(path, 1), 'CHANGED'],
    'other content of this size': [(path) => writeFileSync(path, 'FILE'), 'CHANGED'],
    'another time': [(path) => utimesSync(path, 1, 1), 'CHANGED'],
    'another mode': [(path) => chmodSync(path, 0o400), 'CHANGED'],
    'another file with its content': [
      (path) => {
        renameSync(path, `${path}.old`)
        writeFileSync(path, 'file')
      },
      'CHANGED',
    ],
    'no file': [(path) => rmSync(path), 'ENOENT'],
    'a directory': [
      (path) => {
        rmSync(path)
        mkdirSync(path)
      },
      'CHANGED',
    ],
    'a link to it': [
      (path) => {
        renameSync(path, `${path}.old`)
        symlinkSync(`${path}.old`, path)
      },
      'ELOOP',
    ],
    'a link on the way': [
      () => {
        renameSync(at('d'), at('old'))
        symlinkSync('old', at('d'))
      },
      'ELOOP',
    ],
    'a pipe that nobody writes to': [
      (path) => {
        rmSync(path)
        execFileSync('mkfifo', [path])
      },
      'CHANGED',
    ],
  }
  test.each(Object.entries(changes))('%s in its place is a failure', async (_, [change, code]) => {
    mkdirSync(at('d'))
    writeFileSync(at('first'), '1')
    writeFileSync(at('d/f'), 'file')
    const files = [listed('first'), listed('d/f')]
    change(at('d/f'))
    expect(await read(files)).toEqual({ index: 1, code })
  })

  test('a file that is written to while it is read is a failure', async () => {
    writeFileSync(at('f'), Buffer.alloc(64 << 20, 'x'))
    const file = listed('f')
    const fd = openSync(at('f'), 'r+')
    const bytes = Buffer.alloc(file.size)
    const reading = read([file], bytes)
    writeSync(fd, 'changed', file.size - 7)
    closeSync(fd)
    expect(await reading).toEqual({ index: 0, code: 'CHANGED' })
  })

  test('without a state only the size counts, with identity alone no time', async () => {
    writeFileSync(at('f'), 'file')
    const { path, size, state } = listed('f')
    if (state === undefined) throw new Error('no state')
    const { dev, ino } = state
    utimesSync(path, 1, 1)
    expect(String(await read([{ path, size }]))).toBe('file')
    expect(String(await read([{ path, size, state: { dev, ino } }]))).toBe('file')
    expect(await read([{ path, size: size - 1 }])).toEqual({ index: 0, code: 'CHANGED' })
    expect(await read([{ path, size, state: { dev, ino: ino + 1n } }])).toEqual({ index: 0, code: 'CHANGED' })
    // The kernel says that it has no bytes, and then it has some.
    expect(await read([{ path: '/proc/self/status', size: 0 }])).toMatchObject({ index: 0 })
  })

  test('nothing is written outside the buffer, whatever the list says', async () => {
    writeFileSync(at('f'), 'file')
    const batch = new FileBatch(native)
    batch.add(listed('f'), 5)
    expect(await batch.read(Buffer.alloc(8))).toEqual({ index: 0, code: 'EINVAL' })
    const { readFiles } = native.addon()
    const row = (path: string, length: number, pathLength = path.length): Buffer => {
      const bytes = Buffer.alloc(64 + 64)
      bytes.writeUInt32LE(length, 0)
      bytes.writeUInt32LE(pathLength, 4)
      bytes.write(path, 64)
      return bytes
    }
    const whole = row('/x', 72)
    for (const bad of [
      whole.subarray(0, 10),
      whole.subarray(0, 64),
      row('/x', 64).subarray(0, 72),
      row('/x', 0).subarray(0, 72),
      row('/x', 80).subarray(0, 72),
      row('/x', 72, 8).subarray(0, 72),
      row('/x', 72, 1).subarray(0, 72),
      row('/x', 72, 2 ** 32 - 1).subarray(0, 72),
    ]) {
      expect(await readFiles(Buffer.from(bad), Buffer.alloc(8))).toEqual({ index: 0, code: 'EINVAL' })
    }
    expect(await readFiles(whole.subarray(0, 72), Buffer.alloc(0))).toEqual({ index: 0, code: 'ENOENT' })
  })
})
