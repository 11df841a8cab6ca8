// Runs Go's regular expressions as Go does: in time that grows with the text's length, whoever wrote the expression.
// All states of the expression are followed at once; sets of states that were met before are remembered.
import type { RuneTest } from './go-regexp-classes.ts'
import { type Assertion, type Node, parseGoRegexp } from './go-regexp-parse.ts'

/** Code points; what is not UTF-8 is U+FFFD, one for each byte. */
export type Runes = ArrayLike<number>

/** A compiled expression. */
export interface GoRegexp {
  /** Go's `MatchString`: whether the expression matches somewhere in the text. */
  matches(text: Runes): boolean
  /** Whether a text that begins with `prefix` may match; false is certain, true is not. */
  mayMatchBehind(prefix: Runes): boolean
}

/** The expression, or undefined where Go finds a syntax error or it would take too many states. */
export function compileGoRegexp(expression: string): GoRegexp | undefined {
  const alternatives = parseGoRegexp(expression)
  const program = alternatives && compile(alternatives)
  return program && new Automaton(program)
}

type Instruction =
  | { readonly kind: 'rune'; readonly test: RuneTest }
  /** Goes on at each of these places. */
  | { readonly kind: 'fork'; readonly to: readonly number[] }
  | { readonly kind: 'assertion'; readonly assertion: Assertion }
  | { readonly kind: 'match' }

interface Program {
  readonly instructions: readonly Instruction[]
  /** Whether it can only match at the begin of the text. */
  readonly isAnchored: boolean
  readonly asksForWords: boolean
}

/** Differs: Go allows some three million. */
const mostInstructions = 200_000

function compile(alternatives: readonly Node[]): Program | undefined {
  if (alternatives.reduce((sum, node) => sum + sizeOf(node), 0) > mostInstructions) return undefined
  const instructions: Instruction[] = [{ kind: 'fork', to: [] }]
  const to: number[] = []
  for (const node of alternatives) {
    to.push(instructions.length)
    write(node, instructions)
    instructions.push({ kind: 'match' })
  }
  instructions[0] = { kind: 'fork', to }
  return {
    instructions,
    isAnchored: alternatives.every(beginsAtBegin),
    asksForWords: instructions.some((i) => i.kind === 'assertion' && /word/i.test(i.assertion)),
  }
}

function sizeOf(node: Node): number {
  if (node.kind === 'sequence') return node.nodes.reduce((sum, part) => sum + sizeOf(part), 0)
  if (node.kind === 'repeat') return (node.most ?? node.least + 1) * (sizeOf(node.node) + 2)
  return 1
}

function write(node: Node, instructions: Instruction[]): void {
  switch (node.kind) {
    case 'sequence':
      for (const part of node.nodes) write(part, instructions)
      return
    case 'repeat':
      writeRepeat(node, instructions)
      return
    default:
      instructions.push(node)
  }
}

function writeRepeat(
  { node, least, most }: Extract<Node, { kind: 'repeat' }>,
  instructions: Instruction[],
): void {
  for (let i = 0; i < least; i++) write(node, instructions)
  const forks: number[] = []
  for (let i = least; i < (most ?? least + 1); i++) {
    forks.push(instructions.push({ kind: 'fork', to: [] }) - 1)
    write(node, instructions)
  }
  if (most === undefined) instructions.push({ kind: 'fork', to: forks })
  // Each may be left out, with all behind it.
  for (const fork of forks) instructions[fork] = { kind: 'fork', to: [fork + 1, instructions.length] }
}

function beginsAtBegin(node: Node): boolean {
  if (node.kind === 'sequence') return node.nodes[0] !== undefined && beginsAtBegin(node.nodes[0])
  return node.kind === 'assertion' && node.assertion === 'begin'
}

/** What is on one side of a place in the text. */
type Side = 'none' | 'word' | 'other'

/** What has been read so far, as far as it matters. */
interface State {
  /** Instructions to go on with, before forks and assertions are followed; ascending. */
  readonly at: readonly number[]
  readonly before: Side
  /** Something has matched: what follows does not matter. */
  readonly isMatch: boolean
  readonly next: Map<number, State>
  atEnd?: boolean
}

const mostStates = 1000

class Automaton implements GoRegexp {
  readonly #program: Program
  /** When an instruction was last visited, so that it is visited once a step. */
  readonly #visited: Uint32Array
  #visit = 0
  #states = new Map<string, State>()
  #start: State

  constructor(program: Program) {
    this.#program = program
    this.#visited = new Uint32Array(program.instructions.length)
    this.#start = this.#state([0], 'none')
  }

  matches(text: Runes): boolean {
    const state = this.#read(text)
    state.atEnd ??= state.isMatch || this.#follow(state, 'none').isMatch
    return state.atEnd
  }

  mayMatchBehind(prefix: Runes): boolean {
    const state = this.#read(prefix)
    return state.isMatch || state.at.length > 0
  }

  #read(text: Runes): State {
    let state = this.#start
    for (let i = 0; i < text.length; i++) {
      if (state.isMatch || state.at.length === 0) return state
      const rune = text[i] ?? 0
      state = state.next.get(rune) ?? this.#step(state, rune)
    }
    return state
  }

  #step(state: State, rune: number): State {
    const side = isWord(rune) ? 'word' : 'other'
    const { runes, isMatch } = this.#follow(state, side)
    const next = isMatch ? matched : this.#stateBehind(runes, rune, side)
    state.next.set(rune, next)
    return next
  }

  #stateBehind(runes: readonly number[], rune: number, side: Side): State {
    const { instructions, isAnchored, asksForWords } = this.#program
    const at = isAnchored ? [] : [0]
    for (const place of runes) {
      const instruction = instructions[place]
      if (instruction?.kind === 'rune' && instruction.test(rune)) at.push(place + 1)
    }
    return this.#state(at, asksForWords ? side : 'other')
  }

  #state(at: readonly number[], before: Side): State {
    const sorted = Uint32Array.from(at).sort()
    const key = `${before} ${sorted}`
    const known = this.#states.get(key)
    if (known !== undefined) return known
    // A hostile expression has more sets of states than memory: forget them all and begin again.
    if (this.#states.size >= mostStates) {
      this.#states = new Map()
      this.#start = { ...this.#start, next: new Map() }
    }
    const state: State = { at: [...sorted], before, isMatch: false, next: new Map() }
    this.#states.set(key, state)
    return state
  }

  /** The instructions that wait for a rune, and whether a match ends at this place. */
  #follow({ at, before }: State, after: Side): { runes: number[]; isMatch: boolean } {
    const { instructions } = this.#program
    const visit = ++this.#visit
    const runes: number[] = []
    const open = [...at]
    for (let place = open.pop(); place !== undefined; place = open.pop()) {
      if (this.#visited[place] === visit) continue
      this.#visited[place] = visit
      const instruction = instructions[place]
      if (instruction === undefined) continue
      if (instruction.kind === 'match') return { runes, isMatch: true }
      if (instruction.kind === 'rune') runes.push(place)
      else if (instruction.kind === 'fork') open.push(...instruction.to)
      else if (holds(instruction.assertion, before, after)) open.push(place + 1)
    }
    return { runes, isMatch: false }
  }
}

const matched: State = { at: [], before: 'other', isMatch: true, next: new Map(), atEnd: true }

function isWord(rune: number): boolean {
  return rune < 128 && /\w/.test(String.fromCharCode(rune))
}

function holds(assertion: Assertion, before: Side, after: Side): boolean {
  switch (assertion) {
    case 'begin':
      return before === 'none'
    case 'end':
      return after === 'none'
    case 'wordBoundary':
      return (before === 'word') !== (after === 'word')
    case 'noWordBoundary':
      return (before === 'word') === (after === 'word')
  }
}
