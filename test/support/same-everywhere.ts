// What tests and the programs they start take from whoever starts them, and what no test is about: set here for all.
/** Vitest runs it before it starts the processes of the tests. */
export function setup(): void {
  process.umask(0o022)
}
