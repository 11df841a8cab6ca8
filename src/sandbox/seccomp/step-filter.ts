// The filter of build steps on this machine, compiled once: importing this is the work, and the start-up snapshot
// holds it done.
import { seccompFilter } from './filter.ts'

/** See seccompFilter. */
export const stepFilter = seccompFilter(process.arch)
