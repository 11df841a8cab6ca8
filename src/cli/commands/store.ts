// `slipway store`: the local store as a whole.
import type { Checked } from '../../app/check-store.ts'
import { oneLine, SlipwayError } from '../../core/error.ts'
import { type DockerCommand, expectArguments } from '../command.ts'
import type { CommandPage } from '../page.ts'
import { stateRoot } from '../paths.ts'
import { transferCommand } from '../transfer.ts'

interface Flags {
  readonly repair?: boolean
  readonly json?: boolean
}

export const storeCommand: CommandPage = {
  summary: 'Check the local store (slipway store verify [--repair])',
  define(command, finish) {
    command
      .usage('verify [--repair] [--json]')
      .argument('[action...]', 'verify: re-hash every blob and layer, check every image and record')
      .option('--repair', 'move what is damaged out of the way, so that it is made again')
      .option('--json', 'one JSON object a problem')
      .action(async (words: string[], flags: Flags) => finish(await run(command, words, flags)))
  },
}

async function run(command: DockerCommand, words: readonly string[], flags: Flags): Promise<number> {
  expectArguments(command, words, 1)
  if (words[0] !== 'verify') {
    throw new SlipwayError({
      code: 'ERR_ARGUMENTS',
      message: `unknown action ${JSON.stringify(words[0])} of "slipway store"`,
      hint: 'slipway store verify',
    })
  }
  const check = await import('../../app/check-store.ts')
  const marker = flags.repair ? await check.repairMarker(stateRoot()) : undefined
  const act: Parameters<typeof transferCommand>[1] = async (_images, host, cx) => {
    const { problems, ...rest } = flags.repair
      ? await check.repairStore(host, cx)
      : await check.checkStore(host, cx)
    const checked = { ...rest, problems: marker === undefined ? problems : [marker, ...problems] }
    const isSound = checked.problems.every(({ repair }) => repair !== undefined)
    return { text: flags.json ? json(checked) : text(checked), status: isSound ? 0 : 1 }
  }
  return await transferCommand({}, act, flags.repair ? {} : { readOnly: 'if-needed' })
}

function json({ problems }: Checked): string {
  return problems.map((problem) => `${JSON.stringify(problem)}\n`).join('')
}

function text({ problems, images }: Checked): string {
  const lines = problems.map(
    ({ message, repair }) => `${oneLine(`${message}${repair === undefined ? '' : ` (${repair})`}`)}\n`,
  )
  const left = problems.filter(({ repair }) => repair === undefined).length
  const repaired = problems.length - left
  const counted = images === undefined ? 'no readable index of images' : count(images, 'image')
  const sum = `${counted}, ${count(left, 'problem')}`
  return `${lines.join('')}${sum}${repaired === 0 ? '' : `, ${repaired} repaired`}\n`
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}
