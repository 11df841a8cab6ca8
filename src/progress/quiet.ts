// Nothing while it goes well; the failed step's recap when it does not.
import { Model } from './model.ts'
import { formatRecap } from './recap.ts'
import type { Output, View } from './types.ts'

export function quietView(output: Output): View {
  const model = new Model()
  return {
    apply: (event) => {
      model.apply(event)
    },
    finish: () => {
      const recap = formatRecap(model)
      if (recap) output.write(recap)
    },
  }
}
