// A solve whose misses are explained, and which the next build of its name is compared with.
import type { Context } from '../core/context.ts'
import { type Journal, openJournal } from '../explain/journal.ts'
import type { PastStore } from '../explain/past.ts'
import type { SolveOptions } from '../solve/solver.ts'

/** Runs `solve` with what it has to be given for that; however it ends, the build is remembered. */
export async function journaled<T>(
  { build, store, cx }: { readonly build: string; readonly store: PastStore; readonly cx: Context },
  solve: (options: Required<Pick<SolveOptions, 'cx' | 'explainer'>>) => Promise<T>,
): Promise<T> {
  let journal: Journal | undefined
  const observed: Context = {
    ...cx,
    emit: (event) => {
      journal?.observe(event)
      cx.emit(event)
    },
  }
  let failed = true
  try {
    const result = await solve({
      cx: observed,
      explainer: (view) => {
        journal = openJournal(build, store, view)
        return journal
      },
    })
    failed = false
    return result
  } finally {
    await journal?.finish({ failed })
  }
}
