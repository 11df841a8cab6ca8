import { execFileSync } from 'node:child_process'
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type FoundPlan, planPlace, rememberedPlan, rememberPlan } from '../../src/app/remembered-plan.ts'
import { confirmPlan, isSoundPlan, keepPlan, readPlan } from '../../src/cache/plans.ts'
import { digestOf, hexOf } from '../../src/core/digest.ts'
import { keyOfRequest } from '../../src/plan/pin-key.ts'
import { planWithPins } from '../../src/plan/plan-with-pins.ts'
import type { ImagePin, Pin, PinRequest, PlanOptions } from '../../src/plan/types.ts'
import { amd64, optionsWith, stagesOf } from '../plan/support.ts'
import { writeHint } from '../support/write-hint.ts'

const text = 'FROM base\nARG MODE=a\nENV A=b\nRUN make $MODE\nCOPY --from=tools /t /t\n'
const image = (env: string): ImagePin => ({
  kind: 'image',
  manifest: digestOf(env),
  layers: 1,
  config: {
    ...amd64,
    config: { Env: [env] },
    rootfs: { type: 'layers', diff_ids: [digestOf('layer')] },
  },
})

describe('remembered plans', () => {
  let root = ''
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'slipway-plans-'))
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  interface Given {
    readonly file?: string
    readonly change?: Partial<PlanOptions>
    readonly program?: string
    readonly env?: string
  }
  const optionsOf = ({ file = text, change = {} }: Given): PlanOptions =>
    optionsWith(change, [{ name: 'Dockerfile', text: file }])
  const placeOf = (given: Given) => planPlace(root, given.program ?? 'p', optionsOf(given))

  /** Plans and remembers. */
  async function make(given: Given = {}): Promise<FoundPlan> {
    const place = placeOf(given)
    const requests: PinRequest[] = []
    const resolve = async (request: PinRequest): Promise<Pin> => {
      requests.push(request)
      return request.kind === 'http'
        ? { kind: 'http', digest: digestOf('file') }
        : image(given.env ?? 'PATH=/bin')
    }
    const { stages } = stagesOf(given.file ?? text)
    const { value, diagnostics } = await planWithPins(stages, optionsOf(given), resolve)
    const { pins, ...ready } = value
    const plan = { ...ready, diagnostics }
    if (place !== undefined) rememberPlan(place, { rounds: [requests], pins, plan }, writeHint)
    return plan
  }
  async function find(given: Given = {}, answer?: (request: PinRequest) => Promise<Pin>) {
    const place = placeOf(given)
    const usual = async (): Promise<Pin> => image(given.env ?? 'PATH=/bin')
    return place && rememberedPlan(place, optionsOf(given), answer ?? usual)
  }

  test('are what was made, texts and all', async () => {
    const made = await make()
    expect(made.graph.files).toHaveLength(1)
    expect(await find()).toStrictEqual(made)
  })

  test('are not those of other texts, options or programs', async () => {
    await make()
    expect(await find({ file: `${text}# more\n` })).toBeUndefined()
    expect(await find({ change: { buildArgs: { MODE: 'b' } } })).toBeUndefined()
    expect(await find({ change: { noCache: true } })).toBeUndefined()
    expect(await find({ program: 'q' })).toBeUndefined()
    expect(placeOf({ program: '' })).toBeDefined()
    expect(planPlace(root, undefined, optionsOf({}))).toBeUndefined()
  })

  test('stand on the images of now', async () => {
    await make()
    const asked: PinRequest[] = []
    const found = await find({}, async (request) => {
      asked.push(request)
      return image('PATH=/bin')
    })
    expect(found).toBeDefined()
    expect(asked.map((request) => request.kind === 'image' && request.reference)).toEqual([
      'docker.io/library/base:latest',
      'docker.io/library/tools:latest',
    ])
    expect(await find({ env: 'PATH=/sbin' })).toBeUndefined()
    expect(await find({}, () => Promise.reject(new Error('no such image')))).toBeUndefined()
  })

  test('ask for nothing that planning would not ask for', async () => {
    const { diagnostics, ...plan } = await make()
    const place = placeOf({ program: 'in rounds' })
    if (place === undefined) throw new Error('nothing is remembered')
    const requestOf = (reference: string): PinRequest => {
      const span = { file: 'Dockerfile', start: 0, end: 1 }
      return { kind: 'image', reference, platform: amd64, span }
    }
    const rounds = [[requestOf('base')], [requestOf('by-trigger')]]
    const pins = Object.fromEntries(rounds.flat().map((request) => [keyOfRequest(request), image('A=b')]))
    rememberPlan(place, { rounds, pins, plan: { ...plan, diagnostics } }, writeHint)
    const findWith = async (env: string) => {
      const asked: unknown[] = []
      const found = await rememberedPlan(place, optionsOf({}), async (request) => {
        asked.push(request.kind === 'image' && request.reference)
        return image(env)
      })
      return { asked, isKnown: found !== undefined }
    }
    expect(await findWith('A=b')).toEqual({ asked: ['base', 'by-trigger'], isKnown: true })
    expect(await findWith('A=c')).toEqual({ asked: ['base'], isKnown: false })
  })

  test.each<[string, Given]>([
    ['a build arg with a name of secrets', { change: { buildArgs: { API_TOKEN: 'hush' } } }],
    ['proxies', { change: { buildArgs: { HTTP_PROXY: 'http://user:hush@proxy' } } }],
    ['addresses', { file: 'FROM scratch\nADD https://user:hush@example.com/file /\n' }],
    [
      'a context that is fetched',
      { change: { mainContext: { kind: 'http', url: 'https://x:hush@y/z', isArchive: true } } },
    ],
  ])('are not kept of %s', async (_what, given) => {
    await make(given)
    expect(await find(given)).toBeUndefined()
    const kept = names().map((name) => readFileSync(`${root}/plans/${name}`, 'utf8'))
    expect(kept.join()).not.toContain('hush')
    expect(kept).toEqual([])
  })

  const names = (): string[] => {
    try {
      return readdirSync(`${root}/plans`)
    } catch (thrown) {
      expect(thrown).toMatchObject({ code: 'ENOENT' })
      return []
    }
  }

  test.each([
    ['cut', (whole: string) => whole.slice(0, -5)],
    ['changed', (whole: string) => whole.replace('make', 'take')],
    ['of another format', (whole: string) => whole.replace('plan 1', 'plan 2')],
    ['empty', () => ''],
  ])('that are %s are not known', async (_how, damage) => {
    await make()
    const [name = ''] = names()
    const whole = readFileSync(`${root}/plans/${name}`, 'utf8')
    expect(isSoundPlan(whole)).toBe(true)
    expect(damage(whole)).not.toBe(whole)
    writeFileSync(`${root}/plans/${name}`, damage(whole))
    expect(isSoundPlan(damage(whole))).toBe(false)
    expect(await find()).toBeUndefined()
  })

  test('that are large are not kept, however little memory they share', () => {
    const limits = { files: 2, bytes: 1 << 20 }
    const keep = (name: string, value: unknown) =>
      keepPlan({ root, key: digestOf(name) }, value, { writeHint, limits })
    const shared = ['x'.repeat(1 << 10)]
    keep('small', Array(100).fill(shared))
    keep('large', Array(200).fill(shared))
    keep('huge', Array(1 << 16).fill(shared))
    expect(names()).toEqual([hexOf(digestOf('small'))])
  })

  test('are files, or there are none', () => {
    const place = { root, key: digestOf('a') }
    keepPlan(place, 'a', { writeHint })
    const path = `${root}/plans/${hexOf(place.key)}`
    rmSync(path)
    // Who opens it waits for a writer.
    execFileSync('mkfifo', [path])
    expect(readPlan(place)).toBeUndefined()
    rmSync(path)
    symlinkSync('/dev/zero', path)
    expect(readPlan(place)).toBeUndefined()
  })

  test('go when there are many, the longest unused first', () => {
    const limits = { files: 2, bytes: 1000 }
    const keep = (name: string, value: unknown) =>
      keepPlan({ root, key: digestOf(name) }, value, { writeHint, limits })
    keep('a', 'a')
    keep('b', 'b')
    for (const name of names()) utimesSync(`${root}/plans/${name}`, 1, 1)
    confirmPlan({ root, key: digestOf('a') })
    keep('c', 'c')
    expect(['a', 'b', 'c'].map((name) => readPlan({ root, key: digestOf(name) }))).toEqual([
      'a',
      undefined,
      'c',
    ])
    const roomy = { files: 20, bytes: 1000 }
    for (const name of ['d', 'e', 'f', 'g', 'h']) {
      keepPlan({ root, key: digestOf(name) }, name.repeat(120), { writeHint, limits: roomy })
    }
    expect(names()).toHaveLength(4)
  })

  test('are found without a write', async () => {
    await make()
    const [name = ''] = names()
    const states = () => [`${root}/plans`, `${root}/plans/${name}`].map((path) => statSync(path).mtimeMs)
    utimesSync(`${root}/plans/${name}`, 1, 1)
    const before = states()
    expect(await find()).toBeDefined()
    expect(states()).toEqual(before)
  })
})
