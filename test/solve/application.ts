// The build that most tests of the solver are about.
import type { Graph, OpRef } from '../../src/graph/op.ts'
import { type Rig, rig, sketch } from './rig.ts'

/** A two-stage build: compile in one stage, copy the product into another. */
export function application(
  base = 'debian',
  command = 'install',
  force = false,
): { graph: Graph; root: OpRef } {
  const s = sketch()
  const context = s.local('context')
  const tools = s.run('apt', s.image('gcc'))
  const compiled = s.run('strip', s.copy('main.c', context, tools))
  const installed = s.run(command, s.image(base), force ? { force: true } : {})
  const root = s.run('finish', s.copy('out', compiled, installed))
  return { graph: s.graph(root), root }
}

/** A rig with the context of that build. */
export function prepared(): Rig {
  const r = rig()
  r.edit('context', { 'main.c': 'int main#one', README: 'x' })
  return r
}
