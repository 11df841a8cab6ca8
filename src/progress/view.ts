// Which view a `--progress` mode means.
import { explained } from './explained.ts'
import { plainView } from './plain.ts'
import { quietView } from './quiet.ts'
import { rawjsonView } from './rawjson.ts'
import { ttyView } from './tty.ts'
import type { Output, View } from './types.ts'

export type ProgressMode = 'auto' | 'plain' | 'tty' | 'rawjson' | 'quiet' | 'none'
export const progressModes: readonly ProgressMode[] = ['auto', 'plain', 'tty', 'rawjson', 'quiet', 'none']

/** The view for a mode; `auto` is the live view on a terminal and the plain one elsewhere. With `explain` both say why steps run. */
export function openView(mode: ProgressMode, output: Output, { explain = false } = {}): View {
  const why = explain ? explained() : undefined
  switch (mode) {
    case 'auto':
      return output.isTerminal ? ttyView(output, why) : plainView(output, why)
    case 'tty':
      return ttyView(output, why)
    case 'plain':
      return plainView(output, why)
    case 'rawjson':
      return rawjsonView(output)
    case 'quiet':
    case 'none':
      return quietView(output)
  }
}
