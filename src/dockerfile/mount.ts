// What a `RUN --mount=` means once variables have values: one typed mount per kind, and all that is wrong with
// the fields. Where targets and sources lie is decided by the plan, which knows the working directory.
import { nearest } from '../core/diagnostic.ts'
import { parseBoolean, parseSize, parseUnsigned } from '../core/go-values.ts'
import { cleanPath } from '../core/path.ts'
import type { Span } from '../core/span.ts'
import type { MountField, MountFlag, Run, Word } from './ast.ts'
import { ignoredMountOption } from './lint/planned/ignored-mount-option.ts'
import type { CacheSharing, Mount, MountKind, MountOwner } from './mount-types.ts'
import type { Report } from './report.ts'

export interface ReadMountOptions {
  /** The text of a value with its variables replaced; undefined when it is not known (yet), which skips what depends on it. */
  expand(word: Word): string | undefined
  readonly report: Report
}

/** The mounts of a RUN in order; those that are wrong are reported and left out. */
export function readMounts({ mounts }: Pick<Run, 'mounts'>, options: ReadMountOptions): readonly Mount[] {
  return mounts.flatMap((flag) => readMount(flag, options) ?? [])
}

/** What `from=` says, before any variable has a value; absent for a mount that names no source. */
export function mountFrom({ fields }: MountFlag): Word | undefined {
  const from = fields.findLast(({ key, value }) => optionOf(key.text) === 'from' && value !== undefined)
  return from?.value?.text === '' ? undefined : from?.value
}

/** Where a mount says it goes, variables not replaced. */
export function mountTarget({ fields }: MountFlag): Word | undefined {
  return fields.findLast(({ key }) => optionOf(key.text) === 'target')?.value
}

/** The kind of mount a flag asks for, variables not replaced. */
export function mountKind({ fields }: MountFlag): string {
  return fields.findLast(({ key }) => optionOf(key.text) === 'type')?.value?.text ?? 'bind'
}

/** The mount a flag means; undefined after reporting all that is wrong with it. */
export function readMount(flag: MountFlag, options: ReadMountOptions): Mount | undefined {
  return new Reader(flag, options).read()
}

const kinds: readonly string[] = ['bind', 'cache', 'tmpfs', 'secret', 'ssh']
const sharings: readonly string[] = ['shared', 'private', 'locked']

/** Each key a mount may have, and the option it is a name for. */
const options = {
  type: 'type',
  from: 'from',
  source: 'source',
  src: 'source',
  target: 'target',
  dst: 'target',
  destination: 'target',
  readonly: 'readonly',
  ro: 'readonly',
  readwrite: 'readwrite',
  rw: 'readwrite',
  id: 'id',
  sharing: 'sharing',
  required: 'required',
  size: 'size',
  mode: 'mode',
  uid: 'uid',
  gid: 'gid',
  env: 'env',
} as const
type Option = (typeof options)[keyof typeof options]

function optionOf(key: string): Option | undefined {
  const name = key.toLowerCase()
  return Object.hasOwn(options, name) ? options[name as keyof typeof options] : undefined
}

/** The key that was meant. Two edits turn any two letters into `ro`, so shorter ones mean nothing. */
function nearestKey(key: string): string | undefined {
  return key.length > 2 ? nearest(key, Object.keys(options)) : undefined
}

/** Options that BuildKit takes and forgets, by kind. */
const pointless: Readonly<Record<MountKind, readonly Option[]>> = {
  bind: ['id', 'env'],
  cache: ['env'],
  tmpfs: ['from', 'source', 'id', 'env'],
  secret: ['readwrite'],
  ssh: ['from', 'readwrite', 'env'],
}

/** One mount while its fields are read, first to last. */
class Reader {
  readonly #flag: MountFlag
  readonly #expand: ReadMountOptions['expand']
  readonly #report: Report
  #isRight = true
  /** Undefined when the type is wrong or not known yet: nothing that depends on it is said then. */
  #kind: MountKind | undefined = 'bind'
  /** The last `type=`, once somebody asked. */
  #lastType: MountField | 'none' | undefined
  readonly #texts = new Map<Option, { readonly text: string; readonly field: MountField }>()
  readonly #numbers = new Map<Option, number>()
  #readonly: boolean | undefined
  #required = false
  #isComplete = true

  constructor(flag: MountFlag, { expand, report }: ReadMountOptions) {
    this.#flag = flag
    this.#expand = expand
    this.#report = report
  }

  read(): Mount | undefined {
    for (const field of this.#flag.fields) this.#field(field)
    const kind = this.#kind
    if (kind === undefined) return undefined
    this.#checkKind(kind)
    return this.#isRight && this.#isComplete ? this.#mount(kind) : undefined
  }

  #fail(message: string, span: Span, hint?: string): void {
    this.#isRight = false
    this.#report.error('InvalidMount', message, span, hint === undefined ? {} : { hint })
  }

  #field(field: MountField): void {
    const option = optionOf(field.key.text)
    if (field.value === undefined) this.#bare(field, option)
    else if (option === undefined) this.#unknown(field)
    else {
      const text = option === 'from' ? field.value.text : this.#expand(field.value)
      if (text === undefined) this.#unexpanded(option)
      else this.#value(field, option, { text, span: field.value.span })
    }
  }

  /** A value that is not known leaves the rest of the mount unjudged, except what cannot be right anyway. */
  #unexpanded(option: Option): void {
    this.#isComplete = false
    if (option === 'type') this.#kind = undefined
  }

  #bare(field: MountField, option: Option | undefined): void {
    switch (option) {
      case 'readonly':
      case 'readwrite':
        this.#readonly = option === 'readonly'
        this.#texts.set(option, { text: 'true', field })
        break
      case 'required':
        if (this.#allows('required', field)) this.#required = true
        break
      default:
        this.#fail(
          `invalid field '${field.key.text}' must be a key=value pair`,
          field.span,
          this.#bareHint(field.key.text, option),
        )
    }
  }

  #bareHint(key: string, option: Option | undefined): string | undefined {
    if (key === '') return 'there is a comma too many'
    if (kinds.includes(key.toLowerCase())) return `write type=${key}`
    const close = option === undefined ? nearestKey(key) : undefined
    if (option !== undefined) return `write ${key}=<value>`
    return close === undefined ? undefined : `did you mean ${close}?`
  }

  #unknown({ key, span, value }: MountField): void {
    const close = nearestKey(key.text)
    const written = `${key.text}=${value?.text ?? ''}`
    const suffix = close === undefined ? '' : ` (did you mean ${close}?)`
    this.#fail(
      `unexpected key '${key.text.toLowerCase()}' in '${written}'${suffix}`,
      key.text === '' ? span : key.span,
    )
  }

  #value(field: MountField, option: Option, value: Word): void {
    if (this.#isMeant(field, option, value)) this.#texts.set(option, { text: value.text, field })
  }

  /** Whether a value is one that its option can have; what it means is kept. */
  #isMeant(field: MountField, option: Option, value: Word): boolean {
    switch (option) {
      case 'type':
        this.#type(value)
        return true
      case 'sharing':
        return this.#isChoice('sharing value', value, sharings)
      case 'readonly':
      case 'readwrite': {
        const is = this.#boolean(field, value)
        if (is !== undefined) this.#readonly = option === 'readonly' ? is : !is
        return is !== undefined
      }
      case 'required': {
        const is = this.#allows(option, field) ? this.#boolean(field, value) : undefined
        if (is !== undefined) this.#required = is
        return is !== undefined
      }
      case 'size':
        return this.#allows(option, field) && this.#isSize(field, value)
      case 'mode':
      case 'uid':
      case 'gid':
        return this.#isNumber(option, value)
      default:
        return true
    }
  }

  #boolean({ key }: MountField, value: Word): boolean | undefined {
    const is = parseBoolean(value.text)
    if (is !== undefined) return is
    const message = `invalid value for ${key.text.toLowerCase()}: ${value.text}`
    this.#fail(message, value.span, 'write true or false, or the key alone')
    return undefined
  }

  #isSize({ key }: MountField, value: Word): boolean {
    const size = parseSize(value.text)
    if (size !== undefined) {
      this.#numbers.set('size', size)
      return true
    }
    const message = `invalid value for ${key.text.toLowerCase()}: ${value.text}`
    this.#fail(message, value.span, 'a size is a number of bytes, or one with a unit: 64m, 1g')
    return false
  }

  #isNumber(option: 'mode' | 'uid' | 'gid', value: Word): boolean {
    const number = parseUnsigned(value.text, option === 'mode' ? 8 : 10)
    if (number !== undefined) {
      // Differs: BuildKit forgets the sticky, setuid and setgid bits of a cache, so that `mode=1777` makes 0777.
      this.#numbers.set(option, option === 'mode' ? number & 0o7777 : number)
      return true
    }
    const hint =
      option === 'mode' ? 'a mode is octal, for example 0755' : 'write the number: names are not looked up'
    this.#fail(`invalid value ${value.text} for ${option}`, value.span, hint)
    return false
  }

  #type(value: Word): void {
    const kind = value.text.toLowerCase()
    this.#kind = isMountKind(kind) ? kind : undefined
    this.#isChoice('mount type', value, kinds)
  }

  #isChoice(what: string, value: Word, choices: readonly string[]): boolean {
    if (choices.includes(value.text.toLowerCase())) return true
    const close = nearest(value.text, choices)
    const suggestion = close === undefined ? '' : ` (did you mean ${close}?)`
    const message = `unsupported ${what} ${JSON.stringify(value.text)}${suggestion}`
    this.#fail(message, value.span, `one of ${choices.join(', ')}`)
    return false
  }

  /** Whether the kind known so far has the option: `type` must stand before the options that depend on it. */
  #allows(option: 'required' | 'size', { key }: MountField): boolean {
    const kind = this.#kind
    if (kind === undefined) return false
    const owners: readonly string[] = option === 'size' ? ['tmpfs'] : ['secret', 'ssh']
    if (owners.includes(kind)) return true
    this.#lastType ??= this.#flag.fields.findLast((field) => optionOf(field.key.text) === 'type') ?? 'none'
    const isEarly = this.#lastType !== 'none' && this.#lastType.span.start > key.span.start
    this.#fail(
      `unexpected key '${key.text.toLowerCase()}' for mount type '${kind}'`,
      key.span,
      isEarly
        ? 'the type comes first: move type= to the front'
        : `only ${owners.join(' and ')} mounts have it`,
    )
    return false
  }

  #spanOf(option: Option): Span {
    return this.#texts.get(option)?.field.span ?? this.#flag.span
  }

  #checkKind(kind: MountKind): void {
    const has = (option: Option): boolean => (this.#texts.get(option)?.text ?? '') !== ''
    if (kind === 'bind' || kind === 'tmpfs') {
      for (const option of ['mode', 'uid', 'gid'] as const) {
        if (this.#numbers.has(option))
          this.#fail(`${option} not allowed for "${kind}" type mounts`, this.#spanOf(option))
      }
    }
    if (kind === 'secret') {
      if (has('from')) this.#fail('secret mount should not have a from', this.#spanOf('from'))
      if (has('sharing')) this.#fail('secret mount should not define sharing', this.#spanOf('sharing'))
      if (this.#isComplete && !has('source') && !has('target') && !has('id')) {
        const message = 'invalid secret mount. one of source, target required'
        this.#fail(message, this.#flag.span, 'name the secret: id=<name>')
      }
      const env = this.#texts.get('env')
      // Differs: BuildKit sets a variable without a name.
      if (env !== undefined && !/^[^=]+$/.test(env.text)) {
        const message = `invalid value for env: ${JSON.stringify(env.text)} names no variable`
        this.#fail(message, env.field.value?.span ?? env.field.span)
      }
      if (has('source') && has('id')) this.#fail("both source and id can't be set", this.#spanOf('source'))
    } else if (kind !== 'cache' && has('sharing')) {
      this.#fail(`invalid cache sharing set for ${kind} mount`, this.#spanOf('sharing'))
    }
    if (kind === 'ssh' && has('source')) this.#fail('ssh does not support source', this.#spanOf('source'))
    for (const option of pointless[kind]) this.#ignored(option, `a ${kind} mount`)
    // In BuildKit it is a directory within the cache.
    if (kind === 'cache' && !has('from') && cleanPath(this.#texts.get('source')?.text ?? '') !== '') {
      this.#isRight = false
      const message = 'source of a cache mount without from is not supported yet'
      const hint = 'mount the whole cache, and use the directory in it'
      this.#report.error('NotSupportedYet', message, this.#spanOf('source'), { hint })
    }
    if (kind === 'cache' && has('source')) {
      for (const option of ['mode', 'uid', 'gid'] as const)
        this.#ignored(option, 'a cache mount with a source')
    }
  }

  #ignored(option: Option, where: string): void {
    const given = this.#texts.get(option)
    if (given === undefined || given.text === '') return
    const { key, span } = given.field
    this.#report.warning(ignoredMountOption.name, `${key.text} has no effect on ${where}`, span)
  }

  #word(option: Option): Word | undefined {
    const given = this.#texts.get(option)
    if (given === undefined || given.text === '') return undefined
    return { text: given.text, span: given.field.value?.span ?? given.field.span }
  }

  #mount(kind: MountKind): Mount {
    const target = this.#word('target')
    const common = { span: this.#flag.span, ...(target === undefined ? {} : { target }) }
    const source = this.#word('source')
    const from = mountFrom(this.#flag)
    const places = { ...(from === undefined ? {} : { from }), ...(source === undefined ? {} : { source }) }
    const id = this.#word('id')?.text
    const env = this.#texts.get('env')?.text
    switch (kind) {
      case 'bind':
        return { kind, ...common, ...places, readonly: this.#readonly ?? true }
      case 'cache': {
        const sharing = (this.#word('sharing')?.text.toLowerCase() ?? 'shared') as CacheSharing
        const owner = this.#owner()
        const readonly = this.#readonly ?? false
        return { kind, ...common, ...(id === undefined ? {} : { id }), sharing, ...places, owner, readonly }
      }
      case 'tmpfs': {
        const size = this.#numbers.get('size') ?? 0
        return {
          kind,
          ...common,
          ...(size === 0 ? {} : { sizeBytes: size }),
          readonly: this.#readonly ?? false,
        }
      }
      case 'secret':
        return {
          kind,
          ...common,
          id: source?.text ?? id ?? lastElement(target?.text ?? ''),
          ...(env === undefined ? {} : { env }),
          required: this.#required,
          owner: this.#owner(),
        }
      case 'ssh':
        return { kind, ...common, id: id ?? 'default', required: this.#required, owner: this.#owner() }
    }
  }

  #owner(): MountOwner {
    const mode = this.#numbers.get('mode')
    const uid = this.#numbers.get('uid')
    const gid = this.#numbers.get('gid')
    return {
      ...(mode === undefined ? {} : { mode }),
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    }
  }
}

/** Whether there are mounts of this kind. */
export function isMountKind(text: string): text is MountKind {
  return kinds.includes(text)
}

/** Go's `path.Base`. */
export function lastElement(path: string): string {
  const trimmed = path.replace(/\/+$/, '')
  if (trimmed === '') return path === '' ? '.' : '/'
  return trimmed.slice(trimmed.lastIndexOf('/') + 1)
}
