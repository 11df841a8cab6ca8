// What a mount reads of an op's input, in the words of COPY: a mount's source is one path, taken as written.
import { SlipwayError } from '../../core/error.ts'
import type { ExecMount, OpOf } from '../../graph/op.ts'
import type { CopyAction, Selected } from '../copy/select.ts'
import type { Source } from '../copy/sources.ts'

/** The paths that the mounts of `op` read of input `index`, in the order of the mounts. */
export function sourcesOf(op: OpOf<'exec'>, index: number): string[] {
  return op.mounts.flatMap((mount) => {
    const read = readBy(mount)
    return read?.input === index ? [read.source] : []
  })
}

/** The input and the path in it that a mount reads. */
export function readBy(mount: ExecMount): { readonly input: number; readonly source: string } | undefined {
  if (mount.kind === 'bind') return mount
  return mount.kind === 'cache' && 'input' in mount.start ? mount.start : undefined
}

/** The copy of all that is at `path`: a directory's contents, or a file into the directory `/`. */
export function copyOf(path: string, input: number): CopyAction {
  return {
    kind: 'copy',
    from: input,
    sources: [path.split('/').map(literally).join('/')],
    destination: '/',
    exclude: [],
    parents: false,
    unpack: false,
    instruction: 'RUN --mount',
  }
}

/** What `action` (of `copyOf`) copies. Throws ERR_COPY_NOT_FOUND. */
export async function selectOne(source: Source, action: CopyAction): Promise<Selected> {
  const [selected] = await source.select(action)
  if (selected !== undefined) return selected
  throw new SlipwayError({
    code: 'ERR_COPY_NOT_FOUND',
    message: `${action.instruction} failed: ${JSON.stringify(action.sources[0])}: not found in the ${source.tree.description}`,
  })
}

/** A component as a pattern that only it matches. */
function literally(component: string): string {
  if (!/[*?[]/.test(component)) return component
  return component.replace(/[*?[\\]/g, (character) => (character === '\\' ? '\\\\' : `[${character}]`))
}
