// `--call=subrequests.describe`: which methods there are.
import type { RequestJson } from './types.ts'

/** The methods with what they do, in BuildKit's shape. */
export function describeMethods(): readonly RequestJson[] {
  return [
    request('lint', 'Check a Dockerfile without building it', [], ['result.statuscode']),
    request('outline', 'List what a target can be given: arguments, secrets, SSH agents, caches', [
      { name: 'target', description: 'Target build stage' },
    ]),
    request('targets', 'List the stages that can be built'),
    request('subrequests.describe', 'List the methods there are'),
  ]
}

function request(
  name: string,
  description: string,
  opts: RequestJson['opts'] = [],
  more: readonly string[] = [],
): RequestJson {
  return {
    name: `frontend.${name}`,
    version: '1.0.0',
    type: 'rpc',
    description,
    opts,
    inputs: null,
    metadata: ['result.json', 'result.txt', ...more].map((key) => ({ name: key, description: '' })),
    refs: null,
  }
}
