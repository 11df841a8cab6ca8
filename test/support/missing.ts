import { spawnSync } from 'node:child_process'

/** The first of `programs` that is not on PATH; tests that need them name it when they skip. */
export function missing(...programs: readonly string[]): string | undefined {
  return programs.find((name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0)
}
