// Nothing while it goes well, warnings neither; mistakes and the failed step's recap when it does not.
import { formatFindings } from './findings.ts'
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
      const left = `${formatFindings(model, { warnings: false, colours: false })}${formatRecap(model)}`
      if (left) output.write(left)
    },
  }
}
