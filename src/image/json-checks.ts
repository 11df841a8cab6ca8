// Field-by-field checks of JSON that came from outside; every failure names the document, the field and what was found.
import type { Descriptor } from '../core/descriptor.ts'
import { parseDigest } from '../core/digest.ts'
import { SlipwayError } from '../core/error.ts'
import type { Platform } from '../core/platform.ts'

export type JsonObject = Readonly<Record<string, unknown>>

const maxDepth = 64

/** What is being read, for messages and the code of a failure. */
export interface Subject {
  /** `manifest`, `index`, `image config`. */
  readonly name: string
  readonly code: string
  readonly limitBytes: number
}

/** The top-level object of a document; refuses more than `limitBytes`, invalid UTF-8, nesting deeper than 64. */
export function parseObject(bytes: Uint8Array, subject: Subject): JsonObject {
  if (bytes.byteLength > subject.limitBytes) {
    fail(subject, `it has ${bytes.byteLength} bytes, at most ${subject.limitBytes} are accepted`)
  }
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return fail(subject, 'it is not valid UTF-8')
  }
  // What walks the value, JSON.stringify first of all, recurses.
  if (depthOf(text) > maxDepth) fail(subject, `it is nested more than ${maxDepth} deep`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return fail(
      subject,
      `it is not JSON (${error instanceof Error ? oneLine(error.message) : 'syntax error'})`,
    )
  }
  return asObject(value, subject, 'the document')
}

export function fail(subject: Subject, reason: string, hint?: string): never {
  throw new SlipwayError({
    code: subject.code,
    message: `read ${subject.name}: ${reason}`,
    ...(hint === undefined ? {} : { hint }),
  })
}

export function asObject(value: unknown, subject: Subject, field: string): JsonObject {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    return fail(subject, `${field} must be an object, found ${kindOf(value)}`)
  }
  return value as JsonObject
}

export function asArray(value: unknown, subject: Subject, field: string, most: number): readonly unknown[] {
  if (!Array.isArray(value)) return fail(subject, `${field} must be an array, found ${kindOf(value)}`)
  if (value.length > most) fail(subject, `${field} has ${value.length} entries, at most ${most} are accepted`)
  return value
}

export function asString(value: unknown, subject: Subject, field: string): string {
  if (typeof value !== 'string') return fail(subject, `${field} must be a string, found ${kindOf(value)}`)
  return value
}

export function asBoolean(value: unknown, subject: Subject, field: string): boolean {
  if (typeof value !== 'boolean')
    return fail(subject, `${field} must be true or false, found ${kindOf(value)}`)
  return value
}

export function asInteger(value: unknown, subject: Subject, field: string, least: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least) {
    return fail(subject, `${field} must be an integer of at least ${least}, found ${kindOf(value)}`)
  }
  return value
}

export function asStrings(value: unknown, subject: Subject, field: string): readonly string[] {
  return asArray(value, subject, field, 100_000).map((item, i) => asString(item, subject, `${field}[${i}]`))
}

export function asStringMap(
  value: unknown,
  subject: Subject,
  field: string,
): Readonly<Record<string, string>> {
  const entries = Object.entries(asObject(value, subject, field))
  return Object.fromEntries(entries.map(([k, v]) => [k, asString(v, subject, `${field}.${brief(k)}`)]))
}

/** Runs `check` on a member unless it is absent or null (Go programs write null for "nothing"). */
export function optional<K extends string, T>(
  object: JsonObject,
  key: K,
  check: (value: unknown, field: string) => T,
  prefix = '',
): { readonly [P in K]?: T } {
  const value = Object.hasOwn(object, key) ? object[key] : undefined
  if (value === undefined || value === null) return {}
  return { [key]: check(value, `${prefix}${key}`) } as { readonly [P in K]?: T }
}

/** A descriptor with a validated digest and size (image-spec, descriptor.md). */
export function asDescriptor(value: unknown, subject: Subject, field: string): Descriptor {
  const object = asObject(value, subject, field)
  const inside = `${field}.`
  const type = asString(object.mediaType, subject, `${inside}mediaType`)
  if (type.length > 255 || /[^\x21-\x7e]/.test(type)) fail(subject, `${inside}mediaType is not a media type`)
  return {
    mediaType: type,
    digest: parseDigest(asString(object.digest, subject, `${inside}digest`)),
    size: asInteger(object.size, subject, `${inside}size`, 0),
    ...optional(object, 'platform', (v, at) => asPlatform(v, subject, at), inside),
    ...optional(object, 'annotations', (v, at) => asStringMap(v, subject, at), inside),
    ...optional(object, 'artifactType', (v, at) => asString(v, subject, at), inside),
    ...optional(object, 'urls', (v, at) => asStrings(v, subject, at), inside),
  }
}

function asPlatform(value: unknown, subject: Subject, field: string): Platform {
  const object = asObject(value, subject, field)
  const variant = object.variant ?? ''
  return {
    os: asString(object.os, subject, `${field}.os`),
    architecture: asString(object.architecture, subject, `${field}.architecture`),
    ...(variant === '' ? {} : { variant: asString(variant, subject, `${field}.variant`) }),
  }
}

function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (inString) {
      if (c === 0x5c) i++
      else if (c === 0x22) inString = false
    } else if (c === 0x22) inString = true
    else if (c === 0x7b || c === 0x5b) deepest = Math.max(deepest, ++depth)
    else if (c === 0x7d || c === 0x5d) depth--
  }
  return deepest
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'string') return brief(value)
  return typeof value === 'object' ? 'an object' : String(value)
}

function brief(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, 200)
}
