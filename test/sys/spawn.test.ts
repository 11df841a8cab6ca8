import { readdirSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { type Child, type Stdio, spawnChild } from '../../src/sys/spawn.ts'
import { testNative } from './native.ts'

const piped = ['pipe', 'pipe', 'pipe'] as const

/** A shell in the helper's place. */
function shell(script: string, stdio: readonly [Stdio, Stdio, Stdio] = piped): Child {
  return spawnChild({ ...testNative(), helper: '/bin/sh' }, ['-c', script], stdio)
}

const read = (stream: Child['stdout']): Promise<string> =>
  stream === null ? Promise.resolve('') : text(stream)

describe('starting the helper', () => {
  test('it has five descriptors and nothing in its environment', async () => {
    const child = shell(
      'i=0; while [ $i -lt 64 ]; do [ -e /proc/self/fd/$i ] && echo $i; i=$((i+1)); done; tr -d "\\n" < /proc/$$/environ',
    )
    expect(await read(child.stdout)).toBe('0\n1\n2\n3\n4\n')
    child.request.destroy()
    expect(await child.ended()).toEqual({ code: 0, signal: null })
  })

  test('every stream is connected', async () => {
    const child = shell('read a; read b <&3; echo "out $a"; echo "status $b" >&4; echo err >&2')
    child.stdin?.end('first\n')
    child.request.end('second\n')
    const said = await Promise.all([read(child.stdout), read(child.status), read(child.stderr)])
    expect(said).toEqual(['out first\n', 'status second\n', 'err\n'])
    await child.ended()
  })

  test('what it writes to can be opened by its name', async () => {
    const child = shell('echo a > /dev/stdout; echo b > /dev/stderr')
    expect([await read(child.stdout), await read(child.stderr)]).toEqual(['a\n', 'b\n'])
    child.request.destroy()
    await child.ended()
  })

  test('nothing is read from and written to what is ignored', async () => {
    const child = shell('readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2 | cat >&4', [
      'ignore',
      'ignore',
      'ignore',
    ])
    expect([child.stdin, child.stdout, child.stderr]).toEqual([null, null, null])
    expect(await read(child.status)).toBe('/dev/null\n/dev/null\n/dev/null\n')
    child.request.destroy()
    await child.ended()
  })

  test('its exit code and the signal that ended it are told, and nobody is killed in its place later', async () => {
    const coded = shell('exit 3')
    expect(await coded.ended()).toEqual({ code: 3, signal: null })
    const killed = shell('kill -TERM $$')
    expect(await killed.ended()).toEqual({ code: null, signal: 'SIGTERM' })
    expect(() => killed.kill('SIGKILL')).not.toThrow()
    for (const { stdin, request } of [coded, killed]) for (const stream of [stdin, request]) stream?.destroy()
  })

  test('it can be killed', async () => {
    const child = shell('exec sleep 100', ['ignore', 'pipe', 'ignore'])
    child.kill('SIGKILL')
    expect(await read(child.status)).toBe('')
    expect(await child.ended()).toEqual({ code: null, signal: 'SIGKILL' })
    child.request.destroy()
  })

  test('a program that is missing is named, and nothing stays open', () => {
    const open = (): number => readdirSync('/proc/self/fd').length
    testNative().addon()
    const before = open()
    const missing = { ...testNative(), helper: '/nonexistent/slipway-helper' }
    expect(() => spawnChild(missing, ['run'], piped)).toThrow('load /nonexistent/slipway-helper: ENOENT')
    expect(open()).toBe(before)
  })
})
