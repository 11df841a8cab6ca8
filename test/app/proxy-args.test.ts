import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { withProxyArgs } from '../../src/app/proxy-args.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'slipway-proxies-'))
})
afterEach(() => rm(directory, { recursive: true }))

async function withConfig(
  config: unknown,
  buildArgs: Record<string, string> = {},
  environment: Record<string, string> = {},
) {
  const text = typeof config === 'string' ? config : JSON.stringify(config)
  await writeFile(join(directory, 'config.json'), text)
  return withProxyArgs(buildArgs, { DOCKER_CONFIG: directory, ...environment })
}

it("gives docker's proxies in both spellings, beside the user's build args", async () => {
  const proxies = {
    default: { httpProxy: 'http://p:1', httpsProxy: 'h', ftpProxy: 'f', noProxy: '*.x', allProxy: 'a', x: 1 },
  }
  expect(await withConfig({ proxies, auths: {} }, { A: '1' })).toEqual({
    value: {
      HTTP_PROXY: 'http://p:1',
      http_proxy: 'http://p:1',
      HTTPS_PROXY: 'h',
      https_proxy: 'h',
      FTP_PROXY: 'f',
      ftp_proxy: 'f',
      NO_PROXY: '*.x',
      no_proxy: '*.x',
      ALL_PROXY: 'a',
      all_proxy: 'a',
      A: '1',
    },
    diagnostics: [],
  })
})

it("takes the daemon's entry whole instead of the default one", async () => {
  const proxies = {
    default: { httpProxy: 'default', noProxy: 'n' },
    'unix:///var/run/docker.sock': { httpProxy: 'local' },
    'tcp://far:2376': {},
  }
  const local = { HTTP_PROXY: 'local', http_proxy: 'local' }
  expect((await withConfig({ proxies })).value).toEqual(local)
  expect((await withConfig({ proxies }, {}, { DOCKER_HOST: '' })).value).toEqual(local)
  expect((await withConfig({ proxies }, {}, { DOCKER_HOST: 'tcp://far:2376' })).value).toEqual({})
  expect((await withConfig({ proxies }, {}, { DOCKER_HOST: 'tcp://other:1' })).value).toEqual({
    HTTP_PROXY: 'default',
    http_proxy: 'default',
    NO_PROXY: 'n',
    no_proxy: 'n',
  })
})

it('lets the user decide about a proxy in either spelling', async () => {
  const proxies = { default: { httpProxy: 'p', httpsProxy: 'p' } }
  const given = { HTTP_PROXY: 'mine', https_proxy: '' }
  expect((await withConfig({ proxies }, given)).value).toEqual(given)
})

it.each([
  ['', 'it is not JSON'],
  ['[]', 'it is not a JSON object'],
  ['{"proxies":[]}', 'proxies is not an object'],
  ['{"proxies":{"default":7}}', 'proxies.default is not an object'],
  ['{"proxies":{"default":{"httpProxy":["secret"]}}}', 'proxies.default.httpProxy is not a string'],
])('goes on with a warning when the file is %s', async (text, why) => {
  const { value, diagnostics } = await withConfig(text, { A: '1' })
  expect(value).toEqual({ A: '1' })
  expect(diagnostics).toMatchObject([{ code: 'DockerConfigInvalid', severity: 'warning' }])
  expect(diagnostics[0]?.message).toContain(why)
  expect(diagnostics[0]?.message).not.toContain('secret')
})

it('adds nothing where there is no file', async () => {
  const nothing = { value: {}, diagnostics: [] }
  expect(await withProxyArgs({}, { DOCKER_CONFIG: join(directory, 'none') })).toEqual(nothing)
  expect(await withProxyArgs({}, {})).toEqual(nothing)
  expect(await withConfig({})).toEqual(nothing)
})
