// What a progress view is and where it writes.
import type { TimedEvent } from '../core/event.ts'

/** Where a view writes: standard error of the process, or a test's recorder. Size is asked again at every frame. */
export interface Output {
  write(text: string): void
  readonly isTerminal: boolean
  readonly columns: number
  readonly rows: number
  readonly colours: boolean
}

export interface View {
  apply(event: TimedEvent): void
  /** Writes what is left (the final frame, the failed step's recap); the view is not used afterwards. */
  finish(): void
}
