// How the JavaScript engine is set up for programs that live a second: what V8 does for long-lived ones costs them more than it gives.
import { setFlagsFromString } from 'node:v8'

/**
 * Makes V8 optimise a function only after it has run for a while, some seven times later than it would. Most builds are
 * over by then, and compiling beside them slows down what is read and planned once.
 */
export function delayOptimization(): void {
  setFlagsFromString('--interrupt-budget=1000000')
}
