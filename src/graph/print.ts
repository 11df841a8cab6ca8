// A graph for people: a stable text for reviews and goldens, Graphviz source, a drawing, and JSON.
import { canonicalJson } from '../core/canonical-json.ts'
import { redact } from '../core/error.ts'
import { positionAt, type Span } from '../core/span.ts'
import { stageOf } from './layout.ts'
import type { ExecMount, FileAction, Graph, Op, OpNote, OpRef } from './op.ts'
import { printSvg } from './svg.ts'
import { walk } from './walk.ts'

export type GraphFormat = 'text' | 'dot' | 'json' | 'svg'

/** The graph in the asked form, ending in a newline. Ops are numbered `%0`, `%1`… inputs first; only members that are not the default are shown. */
export function printGraph(graph: Graph, roots: readonly OpRef[], format: GraphFormat = 'text'): string {
  switch (format) {
    case 'text':
      return printText(graph, roots)
    case 'dot':
      return printDot(graph, roots)
    case 'svg':
      return printSvg(graph, roots)
    case 'json':
      return `${JSON.stringify({ graph: JSON.parse(canonicalJson(graph)), roots }, null, 2)}\n`
  }
}

function printText(graph: Graph, roots: readonly OpRef[]): string {
  const order = walk((ref) => graph.ops[ref], roots)
  const number = numbering(order)
  const lines: string[] = []
  for (const ref of order) {
    const op = graph.ops[ref]
    const note = graph.notes[ref]
    if (op === undefined || note === undefined) continue
    lines.push(`${number(ref)} ${op.kind}  ${titleOf(note)}`)
    for (const line of [...describe(op, number), ...describeNote(note, graph)]) lines.push(`    ${line}`)
  }
  lines.push(roots.length === 0 ? 'root none' : `root ${roots.map(number).join(' ')}`)
  return `${lines.join('\n')}\n`
}

function printDot(graph: Graph, roots: readonly OpRef[]): string {
  const order = walk((ref) => graph.ops[ref], roots)
  const number = numbering(order)
  const lines = ['digraph {', '  node [shape=box fontname="monospace"]']
  const clusters = new Map<string | undefined, string[]>()
  for (const ref of order) {
    const note = graph.notes[ref]
    const label = note === undefined ? ref : titleOf(note)
    const bold = roots.includes(ref) ? ' style=bold' : ''
    const stage = stageOf(graph, ref)
    const nodes = clusters.get(stage) ?? []
    nodes.push(`${dotText(number(ref))} [label=${dotText(label)}${bold}]`)
    clusters.set(stage, nodes)
  }
  for (const [index, [stage, nodes]] of [...clusters].entries()) {
    if (stage === undefined) lines.push(...nodes.map((node) => `  ${node}`))
    else {
      lines.push(`  subgraph cluster_${index} {`, `    label=${dotText(stage)}`)
      lines.push(...nodes.map((node) => `    ${node}`), '  }')
    }
  }
  for (const ref of order) {
    for (const input of graph.ops[ref]?.inputs ?? []) {
      lines.push(`  ${dotText(number(input))} -> ${dotText(number(ref))}`)
    }
  }
  lines.push('}')
  return `${lines.join('\n')}\n`
}

function numbering(order: readonly OpRef[]): (ref: OpRef) => string {
  const numbers = new Map(order.map((ref, index) => [ref, `%${index}`]))
  return (ref) => numbers.get(ref) ?? ref
}

function titleOf(note: OpNote): string {
  return note.label === '' ? note.title : `${note.label} ${note.title}`
}

function describe(op: Op, number: (ref: OpRef) => string): string[] {
  const input = (index: number | null): string => {
    const ref = index === null ? undefined : op.inputs[index]
    return ref === undefined ? 'none' : number(ref)
  }
  switch (op.kind) {
    case 'image':
      return [
        `manifest ${op.manifest}`,
        `platform ${[op.platform.os, op.platform.architecture, op.platform.variant].filter(Boolean).join('/')}`,
      ]
    case 'local':
      return [`name ${quote(op.name)}`, ...op.ignore.map((pattern) => `ignore ${quote(pattern)}`)]
    case 'http':
      return [
        `checksum ${op.checksum}`,
        `filename ${quote(op.filename)}`,
        ...(op.unpack ? ['unpack'] : []),
        ...(op.modified === undefined ? [] : [`modified ${op.modified}`]),
      ]
    case 'git':
      return [
        `commit ${op.commit}`,
        ...member('subdir', op.subdir, ''),
        ...(op.submodules ? [] : ['without submodules']),
        ...member('mtime', op.mtime, 'checkout'),
        ...(op.gitDir === undefined ? [] : [`git-dir ${canonicalJson(op.gitDir)}`]),
      ]
    case 'merge':
      return [`inputs ${op.inputs.map(number).join(' ') || 'none'}`]
    case 'file':
      return [`base ${input(op.base)}`, ...op.actions.map((action) => describeAction(action, input))]
    case 'exec':
      return [
        `root ${input(op.root)}`,
        `args ${JSON.stringify(op.args)}`,
        ...op.env.map((entry) => `env ${quote(entry)}`),
        ...member('cwd', op.cwd, '/'),
        ...member('user', op.user, ''),
        ...member('network', op.network, 'default'),
        ...member('security', op.security, 'sandbox'),
        ...member('hostname', op.hostname, 'buildkitsandbox'),
        ...(op.ulimits ?? []).map(({ name, soft, hard }) => `ulimit ${name}=${soft}:${hard}`),
        ...op.mounts.map((mount) => describeMount(mount, input)),
      ]
  }
}

function describeAction(action: FileAction, input: (index: number) => string): string {
  const owner = action.owner === undefined ? '' : ` owner=${quote(action.owner)}`
  switch (action.kind) {
    case 'mkdir':
      return `mkdir ${quote(action.path)} mode=${octal(action.mode)}${owner}`
    case 'mkfile':
      return `mkfile ${quote(action.path)}${action.name === undefined ? '' : ` name=${quote(action.name)}`} mode=${octal(action.mode)}${action.parentMode === undefined ? '' : ` parents=${octal(action.parentMode)}`}${owner} content=${JSON.stringify(action.content)}`
    case 'copy':
      return [
        `${action.instruction.toLowerCase()} ${input(action.from)} ${action.sources.map(quoteWord).join(' ')} -> ${quoteWord(action.destination)}${owner}`,
        action.mode === undefined ? '' : ` mode=${action.mode}`,
        ...action.exclude.map((pattern) => ` exclude=${quote(pattern)}`),
        action.parents ? ' parents' : '',
        action.unpack ? ' unpack' : '',
      ].join('')
  }
}

function describeMount(mount: ExecMount, input: (index: number) => string): string {
  const target = mount.target === undefined ? '' : ` ${quoteWord(mount.target)}`
  return `mount ${mount.kind}${target} ${mountMembers(mount, input).filter(Boolean).join(' ')}`.trimEnd()
}

function mountMembers(mount: ExecMount, input: (index: number) => string): string[] {
  switch (mount.kind) {
    case 'file':
      return [`mode=${octal(mount.mode)}`, `content=${JSON.stringify(mount.content)}`]
    case 'bind':
      return [`from=${input(mount.input)}`, `source=${quoteWord(mount.source)}`, mount.readonly ? 'ro' : 'rw']
    case 'cache':
      return [
        `id=${quoteWord(mount.id)}`,
        mount.sharing,
        ...('input' in mount.start
          ? [`from=${input(mount.start.input)}`, `source=${quoteWord(mount.start.source)}`]
          : [ownerOf(mount.start)]),
        mount.readonly ? 'ro' : 'rw',
      ]
    case 'tmpfs':
      return [mount.sizeBytes === undefined ? '' : `size=${mount.sizeBytes}`, mount.readonly ? 'ro' : 'rw']
    case 'secret':
      return [
        `id=${quoteWord(mount.id)}`,
        mount.env === undefined ? '' : `env=${quoteWord(mount.env)}`,
        mount.required ? 'required' : '',
        mount.target === undefined ? '' : ownerOf(mount),
      ]
    case 'ssh':
      return [`id=${quoteWord(mount.id)}`, mount.required ? 'required' : '', ownerOf(mount)]
  }
}

function ownerOf(owner: { readonly mode: number; readonly uid?: number; readonly gid?: number }): string {
  return `mode=${octal(owner.mode)} owner=${owner.uid ?? 'user'}:${owner.gid ?? 'user'}`
}

function describeNote(note: OpNote, graph: Graph): string[] {
  const slot = `# slot ${quote(note.slot.stage)}/${note.slot.ordinal}`
  const place = note.span === undefined ? '' : ` at ${placeOf(note.span, graph)}`
  return [
    `${slot}${place}${note.force ? ' forced' : ''}`,
    ...(note.reference === undefined ? [] : [`# reference ${note.reference}`]),
    ...(note.remote === undefined
      ? []
      : [`# from ${redact(note.remote.url)}${note.remote.ref === undefined ? '' : ` ${note.remote.ref}`}`]),
    ...(note.unkeyed?.env ?? []).map((entry) => `# env ${quote(entry)}`),
    ...(note.unkeyed?.hosts ?? []).map((host) => `# host ${host.name}:${host.ip}`),
  ]
}

function placeOf(span: Span, graph: Graph): string {
  const file = graph.files.find((candidate) => candidate.name === span.file)
  return file === undefined ? span.file : `${span.file}:${positionAt(file.text, span.start).line}`
}

function member(name: string, value: string, standard: string): string[] {
  return value === standard ? [] : [`${name} ${quote(value)}`]
}

function octal(mode: number): string {
  return `0${mode.toString(8)}`
}

/** As `quote`, where a blank would look like the end. */
function quoteWord(text: string): string {
  return text.includes(' ') ? JSON.stringify(text) : quote(text)
}

/** As it is when nothing can be mistaken, else as a JSON string. */
function quote(text: string): string {
  return /^[\x21\x23-\x7e]+( [\x21\x23-\x7e]+)*$/.test(text) ? text : JSON.stringify(text)
}

function dotText(text: string): string {
  return `"${text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`
}
