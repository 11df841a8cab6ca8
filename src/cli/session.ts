// What one command run on a terminal has: its progress view, debug log, clock and signals, as a Context.
import { join } from 'node:path'
import type { Context } from '../core/context.ts'
import { SlipwayError } from '../core/error.ts'
import type { BuildEvent } from '../core/event.ts'
import type { Output, View } from '../progress/types.ts'
import { openView, type ProgressMode } from '../progress/view.ts'

export interface Session {
  readonly cx: Context
  /** Ends the view; further events are dropped. */
  finish(): void
  /** 128 + signal number when the user interrupted the command. */
  readonly interruptedBy: () => number | undefined
}

export interface SessionOptions {
  readonly progress: ProgressMode
  /** Where `--debug` writes; `SLIPWAY_LOG` names a file of the user's own. */
  readonly logDirectory?: string
  /** `--explain`. */
  readonly explain?: boolean
  /** SOURCE_DATE_EPOCH, seconds. */
  readonly epoch?: number
}

/** Standard error as progress views see it. */
export function terminal(): Output {
  const stream = process.stderr
  return {
    write: (text) => {
      stream.write(text)
    },
    get isTerminal() {
      return stream.isTTY === true
    },
    get columns() {
      return stream.columns ?? 80
    },
    get rows() {
      return stream.rows ?? 24
    },
    colours: stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb',
  }
}

/** Opens a command's session; signal handlers stay until the process ends. */
export async function openSession(options: SessionOptions): Promise<Session> {
  const view: View = openView(options.progress, terminal(), { explain: options.explain === true })
  const debug = await openDebugLog(options.logDirectory)
  const controller = new AbortController()
  let interruptedBy: number | undefined
  let finished = false
  let sequence = 0
  let waiting: Promise<void> | undefined

  const interrupt = (name: 'SIGINT' | 'SIGTERM' | 'SIGHUP', number: number): void => {
    process.on(name, () => {
      if (interruptedBy !== undefined) process.exit(128 + number)
      interruptedBy = 128 + number
      controller.abort(new SlipwayError({ code: 'ERR_INTERRUPTED', message: `interrupted by ${name}` }))
    })
  }
  interrupt('SIGINT', 2)
  interrupt('SIGTERM', 15)
  interrupt('SIGHUP', 1)

  const emit = (event: BuildEvent): void => {
    debug('event', event.type === 'log' ? { type: 'log', step: event.step } : { ...event })
    if (!finished) view.apply({ ...event, time: new Date().toISOString(), sequence: sequence++ })
  }
  return {
    cx: {
      signal: controller.signal,
      emit,
      drained: () => {
        if (!process.stderr.writableNeedDrain || controller.signal.aborted) return undefined
        waiting ??= room(process.stderr, controller.signal).finally(() => {
          waiting = undefined
        })
        return waiting
      },
      now: () => timestamp(options.epoch),
      debug,
    },
    finish: () => {
      if (finished) return
      finished = true
      view.finish()
    },
    interruptedBy: () => interruptedBy,
  }
}

/** Resolves when `stream` has room for more or never will, or on abort. */
function room(stream: NodeJS.WriteStream, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done).off('close', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    stream.on('drain', done).on('close', done)
    signal.addEventListener('abort', done)
  })
}

/** RFC 3339 in UTC, nine fractional digits as docker writes; whole seconds when the time is pinned. */
function timestamp(epoch: number | undefined): string {
  if (epoch !== undefined) return new Date(epoch * 1000).toISOString().replace('.000Z', 'Z')
  const nanoseconds = process.hrtime.bigint() % 1_000_000n
  return new Date().toISOString().replace('Z', `${String(nanoseconds).padStart(6, '0')}Z`)
}

async function openDebugLog(directory: string | undefined): Promise<Context['debug']> {
  const named = process.env.SLIPWAY_LOG
  if (named === undefined && directory === undefined) return () => undefined
  const [{ openLog }, { makeStateDirectory }] = await Promise.all([
    import('./debug-log.ts'),
    import('../app/host.ts'),
  ])
  if (directory !== undefined && named === undefined) makeStateDirectory(directory)
  const file =
    named ?? join(directory ?? '.', `${new Date().toISOString().replace(/[:.]/g, '-')}-${process.pid}.log`)
  if (directory !== undefined) process.stderr.write(`debug log: ${file}\n`)
  return openLog(file)
}
