// Runs the rules that look at the tree alone. Which of their findings are shown is decided in obey.ts, with those of the plan.
import type { Diagnostic } from '../../core/diagnostic.ts'
import { treeRules } from './registry.ts'
import { type Subject, warningOf } from './rule.ts'

/** Everything the tree rules find, whatever the file's `# check=` says. */
export function lint(subject: Subject): readonly Diagnostic[] {
  const found: Diagnostic[] = []
  for (const rule of treeRules) {
    for (const finding of rule.check(subject)) found.push(warningOf(rule, finding))
  }
  return found
}
