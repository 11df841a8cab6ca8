import { describe, expect, it } from 'vitest'
import { collect, collectList, DockerCommand } from '../../src/cli/command.ts'
import { main } from '../../src/cli/main.ts'
import { formatAge, formatSize, formatTable } from '../../src/cli/table.ts'

function parse(argv: readonly string[]): { flags: Record<string, unknown>; args: string[] } {
  const command = new DockerCommand('build')
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
    .argument('[path...]')
    .option('-t, --tag <name>', '', collect)
    .option('-o, --output <spec>', '', collect)
    .option('-f, --file <path>', '')
    .option('-q, --quiet', '')
    .option('--pull', '')
    .option('--no-cache', '')
    .option('--no-cache-filter <stages>', '', collectList, [])
    .option('--build-arg <pair>', '', collect)
  command.parse([...argv], { from: 'user' })
  return { flags: command.opts(), args: command.args }
}

describe("docker's command lines", () => {
  it.each([
    [['-ta', '-t', 'b', '.'], { tag: ['a', 'b'], cache: true }, ['.']],
    [['--tag=a', '-otype=oci,dest=x', '.'], { tag: ['a'], output: ['type=oci,dest=x'], cache: true }, ['.']],
    [['-f', '-', '.'], { file: '-', cache: true }, ['.']],
    [['--pull', '.'], { pull: true, cache: true }, ['.']],
    [['--pull=false', '.'], { cache: true }, ['.']],
    [['--pull=true', '.'], { pull: true, cache: true }, ['.']],
    [['--no-cache', '.'], { cache: false }, ['.']],
    [['--no-cache=false', '.'], { cache: true }, ['.']],
    [['--no-cache-filter', 'a,b', '.'], { cacheFilter: ['a', 'b'], cache: true }, ['.']],
    [['--build-arg', '-x', '.'], { buildArg: ['-x'], cache: true }, ['.']],
    [
      ['--build-arg', '--quiet=false', '-q', '.'],
      { buildArg: ['--quiet=false'], quiet: true, cache: true },
      ['.'],
    ],
    [['-q', '--', '--pull=maybe'], { quiet: true, cache: true }, ['--pull=maybe']],
  ])('%j', (argv, flags, args) => {
    expect(parse(argv)).toEqual({ flags: { cacheFilter: [], ...flags }, args })
  })

  it('refuses a boolean that is none', () => {
    expect(() => parse(['--pull=maybe', '.'])).toThrow('invalid boolean value "--pull=maybe"')
  })
})

async function run(argv: readonly string[]): Promise<{ status: number; stderr: string }> {
  const written: string[] = []
  const write = process.stderr.write
  process.stderr.write = ((text: string) => {
    written.push(text)
    return true
  }) as typeof process.stderr.write
  try {
    return { status: await main(argv), stderr: written.join('') }
  } finally {
    process.stderr.write = write
  }
}

describe('failures of a command line', () => {
  it.each([
    [['build', '--taget', 'x', '.'], 125, 'unknown flag: --taget'],
    [['build', '--taget', 'x', '.'], 125, 'help: did you mean --target?'],
    [['build', '-t'], 125, 'flag needs an argument: -t, --tag <name>'],
    [['build', '--bogus', '.'], 125, "help: see 'slipway build --help'"],
    [['build'], 1, '"slipway build" requires 1 argument, got 0'],
    [['buidl', '.'], 1, 'help: did you mean build?'],
    [['build', '--network', 'bridge', '.'], 125, 'invalid value "bridge" for --network'],
    [['build', '--secret', 'src=x', '.'], 125, 'give it as id=NAME[,src=FILE]'],
    [['build', '--secret', 'id=x,src=/no/such/file', '.'], 125, 'there is no file /no/such/file'],
    [['build', '--secret', 'id=x,type=vault', '.'], 125, 'invalid value "id=x,type=vault" for --secret'],
    [['build', '--provenance=max', '.'], 1, '--provenance max is not supported yet'],
    [['build', '--progress', 'loud', '.'], 125, 'invalid value "loud" for --progress'],
    [['build', '--add-host', 'nonsense', '.'], 125, 'give it as name:ip'],
    [['build', '-q', '--progress=plain', '.'], 1, '--progress=plain and --quiet cannot be used together'],
    [
      ['build', '--platform', 'linux/amd64,linux/arm64', '.'],
      1,
      '--platform linux/amd64,linux/arm64 is not supported yet',
    ],
    [['build', '--allow', 'everything', '.'], 125, 'invalid value "everything" for --allow'],
    [['build', ''], 125, 'invalid value "" for PATH'],
    [['run', '--network', 'bridge', 'x'], 125, 'invalid value "bridge" for --network'],
    [['tag', 'a'], 1, '"slipway tag" requires 2 arguments, got 1'],
  ])('%j exits %i', async (argv, status, text) => {
    const result = await run(argv)
    expect(result).toMatchObject({ status, stderr: expect.stringContaining(text) })
    expect(result.stderr).not.toContain('    at ')
  })
})

describe('tables', () => {
  it('aligns columns and leaves no trailing blanks', () => {
    expect(
      formatTable(
        ['A', 'LONG'],
        [
          ['value', ''],
          ['b', 'c'],
        ],
      ),
    ).toBe('A       LONG\nvalue\nb       c\n')
  })

  it.each([
    [0, 'Less than a second ago'],
    [1, '1 second ago'],
    [60, 'About a minute ago'],
    [3599, '59 minutes ago'],
    [3600, 'About an hour ago'],
    [7200, '2 hours ago'],
    [86_400 * 13, '13 days ago'],
    [86_400 * 400, '13 months ago'],
    [86_400 * 800, '2 years ago'],
  ])('%i seconds is %s', (seconds, text) => {
    expect(formatAge(new Date(0).toISOString(), seconds * 1000)).toBe(text)
  })
  it.each([
    [0, '0B'],
    [999, '999B'],
    [777_216, '777kB'],
    [2_126_336, '2.13MB'],
    [170_397_696, '170MB'],
    [1_500_000_000_000_000, '1500TB'],
  ])('%i bytes are %s', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text)
  })
})
