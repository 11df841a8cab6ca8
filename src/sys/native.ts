// Where the native parts are: the helper program and the addon, both beside the bundle in `dist/`.
// Loading is lazy, because most commands need only one of them and a start-up snapshot holds neither.
import { join } from 'node:path'
import { errnoOf, SlipwayError } from '../core/error.ts'
import type { Addon } from './addon.ts'
import { readUserNamespace, type UserNamespace } from './user-namespace.ts'

export interface Native {
  /** Path of `slipway-helper`. */
  readonly helper: string
  /** The addon, loaded at the first call; throws ERR_NATIVE_MISSING when it is not there. */
  addon(): Addon
  /** Where this process and its helpers are; read at the first call. */
  userNamespace(): UserNamespace
}

/** The native parts in `directory`; nothing is touched until they are used. */
export function openNative(directory: string): Native {
  let loaded: Addon | undefined
  let namespace: UserNamespace | undefined
  return {
    helper: join(directory, 'slipway-helper'),
    addon() {
      loaded ??= loadAddon(join(directory, 'slipway.node'))
      return loaded
    },
    userNamespace() {
      namespace ??= readUserNamespace()
      return namespace
    },
  }
}

/** The failure of a native part that is absent or does not fit this machine. */
export function nativeMissing(path: string, cause: unknown): SlipwayError {
  const reason = errnoOf(cause) ?? (cause instanceof Error ? cause.message : String(cause))
  return new SlipwayError({
    code: 'ERR_NATIVE_MISSING',
    message: `load ${path}: ${reason.split('\n')[0]}`,
    hint: 'build the native parts with: npm run build',
    cause,
  })
}

function loadAddon(path: string): Addon {
  try {
    // As require() does, without its search for a path that is known.
    const loaded = { exports: {} }
    process.dlopen(loaded, path)
    return loaded.exports as Addon
  } catch (cause) {
    throw nativeMissing(path, cause)
  }
}
