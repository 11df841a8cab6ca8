// The driver of merges (COPY --link): the layers of all inputs on top of each other.
import { invariant } from '../core/error.ts'
import type { OpOf } from '../graph/op.ts'
import type { OpDriver } from '../solve/types.ts'

/** The driver of merge ops; an overlay of the inputs' layers in order is the merge. */
export function mergeDriver(): OpDriver<OpOf<'merge'>> {
  return {
    uncached: true,
    async run(_op, inputs) {
      const layers = inputs.flatMap((input) => input.layers)
      invariant(
        layers.every((layer) => layer.kind !== 'directory'),
        'a local directory cannot be merged',
      )
      return layers
    },
  }
}
