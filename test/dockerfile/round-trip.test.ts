// parse(print(tree)) = tree over files that use every instruction, flag and kind of mount with odd words in them.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hasErrors } from '../../src/core/diagnostic.ts'
import type { Instruction } from '../../src/dockerfile/ast.ts'
import { mountKind } from '../../src/dockerfile/mount.ts'
import { parseDockerfile } from '../../src/dockerfile/parse.ts'
import { printDockerfile } from '../../src/dockerfile/print.ts'
import { meaningOf } from './meaning.ts'

const characters = ['a', 'b', '/', '.', '-', '=', ':', '*', '$x', '${y:-z}', 'é', '#', '[', ']', '!', '@']
const word = fc
  .string({ unit: fc.constantFrom(...characters), minLength: 1, maxLength: 6 })
  .map((text) => `w${text}`)
/** As `word`, with what only stands in a value that is quoted. */
const value = fc
  .string({ unit: fc.constantFrom(...characters, ' ', ',', '"', "'", '\\', '`', '<<E'), maxLength: 6 })
  .map((text) => `v${text}`)

/** One of the ways to write a flag's value down. */
function written(text: string, escapeBy: string, how: 'plain' | 'double' | 'escaped'): string {
  const special = how === 'double' ? /["\\`]/g : /["'\\` ]/g
  const escaped = text.replace(special, (c) =>
    c === '`' || c === '\\' ? (c === escapeBy ? c + c : c) : escapeBy + c,
  )
  return how === 'double' ? `"${escaped}"` : escaped
}

interface Options {
  readonly escapeBy: string
}
type Part = (options: Options) => fc.Arbitrary<string>

function flag(name: string, values: fc.Arbitrary<string>): Part {
  return ({ escapeBy }) =>
    fc
      .tuple(values, fc.constantFrom('plain', 'double', 'escaped'))
      .map(([text, how]) => `--${name}=${written(text, escapeBy, how as 'plain')}`)
}
const boolean = (name: string): Part => {
  return () => fc.constantFrom(`--${name}`, `--${name}=true`, `--${name}=False`)
}

const mountFields: Readonly<Record<string, readonly string[]>> = {
  bind: ['target=/a b', 'source=w', 'from=stage', 'rw', 'readonly=false', '"dst=/x,y"', 'Target=$x'],
  cache: [
    'target=/c',
    'id=$x',
    'sharing=locked',
    'mode=0755',
    'uid=1',
    'gid=2',
    'ro',
    'from=stage',
    'src=/d',
  ],
  tmpfs: ['target=/t', 'size=1.5m', 'readwrite'],
  secret: ['id=s', 'env=TOKEN', 'required', 'target=/run/x', 'mode=0400', 'required=false', 'uid=${x:-5}'],
  ssh: ['id=default', 'required=true', 'target=/agent', 'gid=7'],
}
const mount: Part = flag(
  'mount',
  fc
    .constantFrom(...Object.keys(mountFields))
    .chain((kind) =>
      fc
        .subarray([...(mountFields[kind] ?? [])])
        .map((fields) => [`type=${kind}`, ...(kind === 'bind' ? fields.reverse() : fields)].join(',')),
    ),
)
const device = flag('device', fc.constantFrom('vendor.com/class=dev', 'name=a b,required', 'required,x/y=*'))
const duration = fc.constantFrom('5s', '1h2m3.5s', '0', '100ms', '')

const flags: Readonly<Record<string, readonly Part[]>> = {
  FROM: [flag('platform', word)],
  RUN: [
    mount,
    mount,
    flag('network', fc.constantFrom('none', 'host', 'default')),
    flag('security', fc.constantFrom('sandbox', 'insecure')),
    device,
  ],
  COPY: [
    flag('from', fc.constantFrom('stage', '0', 'a/b:c')),
    flag('chown', value),
    flag('chmod', value),
    boolean('link'),
    boolean('parents'),
    flag('exclude', value),
    flag('exclude', value),
  ],
  ADD: [
    flag('chown', value),
    flag('chmod', value),
    boolean('link'),
    flag('exclude', value),
    flag('checksum', value),
    boolean('keep-git-dir'),
    boolean('unpack'),
  ],
  HEALTHCHECK: [
    flag('interval', duration),
    flag('timeout', duration),
    flag('start-period', duration),
    flag('start-interval', duration),
    flag('retries', fc.constantFrom('0', '3', '+7', '')),
  ],
}

const words = fc.array(word, { minLength: 2, maxLength: 4 }).map((list) => list.join(' '))
const json = fc.array(value, { minLength: 2, maxLength: 4 }).map((list) => JSON.stringify(list))
const pairs = fc
  .array(fc.tuple(word, fc.constantFrom('', 'a', '"b c"', "'$d'", 'e=f')), { minLength: 1, maxLength: 3 })
  .map((list) => list.map(([key, text]) => `${key.replaceAll('=', '')}=${text}`).join(' '))
const places = fc.oneof(
  words,
  json,
  fc.constantFrom('<<E /d\nx\nE', '<<-"E F" a <<G /d/\n\tx\nE F\n$y\nG', '3<<E <<"E" /d\n\nE\n#\nE'),
)

const args: Readonly<Record<Instruction['kind'], fc.Arbitrary<string>>> = {
  FROM: fc.tuple(word, fc.constantFrom('', ' AS a', ' as B-1._')).map((parts) => parts.join('')),
  ARG: fc.oneof(pairs, word),
  ENV: fc.oneof(pairs, fc.constantFrom('a  b "c"  d', 'a [b]')),
  LABEL: fc.oneof(pairs, fc.constant('a b')),
  RUN: fc.oneof(
    words,
    json,
    fc.constantFrom('<<E\nx\nE', 'a <<E && b <<-"F"\n$x\nE\n\ty\n\tF', '<<E\n#!/bin/a\nE'),
  ),
  COPY: places,
  ADD: places,
  WORKDIR: fc.oneof(words, json),
  USER: fc.oneof(word, fc.constant('a : b')),
  EXPOSE: words,
  VOLUME: fc.oneof(words, json),
  STOPSIGNAL: word,
  CMD: fc.oneof(words, json, fc.constant('')),
  ENTRYPOINT: fc.oneof(words, json, fc.constant('[]')),
  SHELL: json,
  HEALTHCHECK: fc.oneof(words, json).map((command) => `CMD ${command}`),
  ONBUILD: fc.constant('HEALTHCHECK NONE'),
  MAINTAINER: words,
}

const kinds = Object.keys(args) as Instruction['kind'][]

function instruction(options: Options): fc.Arbitrary<string> {
  return fc
    .tuple(fc.constantFrom(...kinds), fc.constantFrom('', '', '', 'ONBUILD '), fc.boolean())
    .chain(([kind, before, isLower]) => {
      const isTrigger = before !== '' && kind !== 'FROM' && kind !== 'MAINTAINER' && kind !== 'ONBUILD'
      return fc
        .tuple(
          fc.subarray([...(flags[kind] ?? [])]).chain((some) => fc.tuple(...some.map((f) => f(options)))),
          args[kind],
        )
        .map(([written, rest]) => {
          const keyword = isLower ? kind.toLowerCase() : kind
          return `${isTrigger ? before : ''}${[keyword, ...written, rest].join(' ')}\n`
        })
    })
}

const files = fc
  .constantFrom('\\', '`')
  .chain((escapeBy) =>
    fc
      .array(instruction({ escapeBy }), { minLength: 1, maxLength: 5 })
      .map((lines) => `${escapeBy === '`' ? '# escape=`\n' : ''}FROM x\n${lines.join('')}`),
  )

/** What of the language a file has used. */
function featuresOf(one: Instruction): string[] {
  const trigger = one.kind === 'ONBUILD' ? featuresOf(one.trigger).map((name) => `ONBUILD ${name}`) : []
  const mounts = one.kind === 'RUN' ? one.mounts.map((found) => `mount ${mountKind(found)}`) : []
  return [one.kind, ...one.flags.map(({ name }) => `${one.kind} --${name}`), ...mounts, ...trigger]
}

test.each([
  'FROM x\nCOPY <<E y<< <<x\u00a0x\n\tE\nE\n',
  'FROM x\nCOPY <<E y<<\v<<F x\nE\nF\n',
  '# escape=`\nFROM x\nCOPY --chmod="v`"\\" --exclude=v``\\ <<-"E F" a <<G /d/\n\tx\nG\n',
  '# escape=`\nFROM x\nONBUILD COPY --chmod="v`"\\" --exclude=v``\\ <<-"E F" a <<G /d/\n\tx\nG\n',
])('a printed tree reads back where a spelling decides what a here-document is: %j', (text) => {
  const { value, diagnostics } = parseDockerfile(text, 'D')
  expect(hasErrors(diagnostics)).toBe(false)
  const printed = printDockerfile(value)
  const again = parseDockerfile(printed, 'D')
  expect(again.diagnostics, printed).toEqual([])
  expect(meaningOf(again.value)).toEqual(meaningOf(value))
  expect(printDockerfile(again.value)).toBe(printed)
})

test('a printed tree reads back as the same tree, whatever flags it has', () => {
  const seen = new Set<string>()
  let accepted = 0
  fc.assert(
    fc.property(files, (text) => {
      const { value, diagnostics } = parseDockerfile(text, 'D')
      if (hasErrors(diagnostics)) return
      accepted++
      for (const name of value.instructions.flatMap(featuresOf)) seen.add(name)
      const printed = printDockerfile(value)
      const again = parseDockerfile(printed, 'D')
      expect(hasErrors(again.diagnostics), printed).toBe(false)
      expect(meaningOf(again.value)).toEqual(meaningOf(value))
      expect(printDockerfile(again.value)).toBe(printed)
    }),
    { numRuns: 3000 },
  )
  expect(accepted).toBeGreaterThan(1500)
  const flagNames = Object.entries({
    FROM: ['platform'],
    RUN: ['mount', 'network', 'security', 'device'],
    COPY: ['from', 'chown', 'chmod', 'link', 'parents', 'exclude'],
    ADD: ['chown', 'chmod', 'link', 'exclude', 'checksum', 'keep-git-dir', 'unpack'],
    HEALTHCHECK: ['interval', 'timeout', 'start-period', 'start-interval', 'retries'],
  }).flatMap(([kind, names]) => names.map((name) => `${kind} --${name}`))
  const wanted = [...kinds, ...flagNames, ...Object.keys(mountFields).map((kind) => `mount ${kind}`)]
  const triggers = kinds.filter((kind) => kind !== 'FROM' && kind !== 'MAINTAINER' && kind !== 'ONBUILD')
  expect([...wanted, ...triggers.map((kind) => `ONBUILD ${kind}`)].filter((name) => !seen.has(name))).toEqual(
    [],
  )
})
