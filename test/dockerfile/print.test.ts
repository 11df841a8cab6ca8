// Spellings the printer must choose with care; the round trip as a property is in parse.test.ts.
import { expect, test } from 'vitest'
import { hasErrors } from '../../src/core/diagnostic.ts'
import { parseDockerfile } from '../../src/dockerfile/parse.ts'
import { printDockerfile } from '../../src/dockerfile/print.ts'

const same = [
  'FROM --platform="a b" x AS y',
  'FROM x\nRUN --network=none -- --a',
  'FROM x\nCOPY ["a b", "--c", "/d"]',
  'FROM x\nCOPY <<A b <<-"C" /d/\n$x\nA\ny\nC',
  'FROM x\nCOPY <<E a<<\v/d\nE',
  'FROM x\nONBUILD COPY <<E /d\nx\nE',
  'FROM x\nENV a="b c" d=\nENV e f  g',
  'FROM x\nHEALTHCHECK --interval=5s CMD ["a"]\nHEALTHCHECK NONE',
  '# escape=`\n# check=skip=all\n\n# y what it is\nFROM x AS y\nCOPY --chown="a`"b" c d',
  '\n# escape=`\nFROM x\nRUN a',
]

test.each(same)('%j prints as itself', (text) => {
  const { value, diagnostics } = parseDockerfile(`${text}\n`, 'D')
  expect(hasErrors(diagnostics)).toBe(false)
  expect(printDockerfile(value).replaceAll('","', '", "')).toBe(`${text}\n`)
})

test.each([
  ['from x\n\n  run  a \\\n  b', 'from x\nrun a   b\n'],
  ['FROM x\nRUN --mount=\'a b\',"c" d', 'FROM x\nRUN --mount="a b,c" d\n'],
  ['FROM x\nADD  ["a","b"]', 'FROM x\nADD a b\n'],
  ['FROM x\nRUN a\\\u00a0', 'FROM x\nRUN a\\\f\n'],
])('%j prints canonically', (text, printed) => {
  expect(printDockerfile(parseDockerfile(text, 'D').value)).toBe(printed)
})
