// The old name of helper-process.ts, kept until src/sandbox imports the new one.
export type {
  HelperEnd,
  HelperFailure,
  HelperOptions,
  HelperProcess,
  StatusLine,
  Stdio,
} from './helper-process.ts'
export { spawnHelper } from './helper-process.ts'
