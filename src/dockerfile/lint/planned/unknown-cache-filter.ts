// A --no-cache-filter that names no stage.
import { type Diagnostic, nearest } from '../../../core/diagnostic.ts'
import { type Rule, warningOf } from '../rule.ts'

/** Differs: BuildKit lets the name pass, and everything comes from the cache. */
export const unknownCacheFilter: Rule = {
  name: 'UnknownCacheFilter',
  description: 'Every --no-cache-filter should name a stage',
  origin: 'slipway',
}

/** One finding for each of `filters` that is neither a name of `stages` nor the index of one of `count`. */
export function checkCacheFilters(
  filters: readonly string[],
  stages: readonly string[],
  count: number,
): Diagnostic[] {
  return filters.flatMap((filter) => {
    const isIndex = /^\d+$/.test(filter) && Number(filter) < count
    if (isIndex || stages.includes(filter.toLowerCase())) return []
    const close = nearest(filter, stages)
    const all =
      stages.length === 0 ? 'no stage has a name' : `the stages are ${stages.slice(0, 20).join(', ')}`
    const hint = close === undefined ? all : `did you mean ${close}?`
    return [warningOf(unknownCacheFilter, { message: `--no-cache-filter names no stage: ${filter}`, hint })]
  })
}
