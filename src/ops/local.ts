// The driver of local directories (the build context, named contexts): a name only. What exists in the
// directory is decided when something is copied from it.
import type { OpOf } from '../graph/op.ts'
import type { OpDriver } from '../solve/types.ts'

/** The driver of local ops; its one layer names the directory and its ignore patterns. */
export function localDriver(): OpDriver<OpOf<'local'>> {
  return {
    uncached: true,
    run: async (op) => [{ kind: 'directory', name: op.name, ignore: op.ignore }],
  }
}
