// The mounts that a process was asked with: binds, tmpfs, small files, views of layers, in their order.
import { fsPath } from '../core/byte-string.ts'
import { overlaySteps } from '../sys/overlay-steps.ts'
import { attributes, flags, passive, placeStep, type Step, slots } from '../sys/steps.ts'
import type { UserNamespace } from '../sys/user-namespace.ts'
import { inheritsMode, type PreparedRoot } from './prepare-root.ts'
import type { Mount, ProcessSpec } from './types.ts'

type Writes = (step: Step) => void

/** Each on its place, which is made when missing. */
export function mountSteps(
  { mounts, root }: ProcessSpec,
  { places }: Pick<PreparedRoot, 'places'>,
  { isInitial, recordsOwners }: Pick<UserNamespace, 'isInitial' | 'recordsOwners'>,
  add: Writes,
): void {
  for (const [index, mount] of mounts.entries()) {
    const place = places[index]
    if (place === undefined) continue
    add(
      placeStep({
        act: place.path === mount.target.slice(1) ? openAct : `${openAct} ${mount.target} at`,
        path: fsPath(`/${place.path}`),
        base: slots.root,
        onto: slots.upper,
        flags: (place.isDirectory ? flags.placeDirectory : 0) | (place.isOfImage ? flags.noted : 0),
        number: !place.isDirectory ? 0o644 : inheritsMode(mount) ? 0o1777 : 0o755,
      }),
    )
    addMount(mount, { index, work: root.work, isInitial, recordsOwners }, add)
  }
}

const openAct = 'open mount point'

interface Where {
  readonly index: number
  readonly work: string
  readonly isInitial: boolean
  readonly recordsOwners: boolean
}

function addMount(mount: Mount, { index, work, isInitial, recordsOwners }: Where, add: Writes): void {
  const onto = slots.place
  switch (mount.kind) {
    case 'bind':
      add({
        op: 'clone',
        act: 'bind mount',
        path: mount.source,
        number: view(mount),
        flags: flags.recursive,
        onto,
      })
      break
    case 'tmpfs': {
      const { mode, sizeBytes = 0, readOnly = false } = mount
      const options = [
        ...(mode === undefined ? [] : ['mode', (mode & 0o7777).toString(8)]),
        ...(sizeBytes === 0 ? [] : ['size', String(sizeBytes)]),
      ]
      const number = attributes.noSuid | attributes.noDev | (readOnly ? attributes.readOnly : 0)
      const bits = inheritsMode(mount) ? flags.modeOfPlace : 0
      add({ op: 'mount', act: 'mount', path: 'tmpfs', number, flags: bits, onto, rest: options })
      break
    }
    case 'layers': {
      const parts = `${work}/mount-${index}`
      const { lower, source } = mount
      const target = lower.length === 0 ? `${parts}/upper` : `${parts}/root`
      add({ op: 'open', act: 'open layers', path: target, into: slots.view })
      if (lower.length > 0) {
        const layers = { lower, upper: `${parts}/upper`, work: `${parts}/overlay`, target }
        overlaySteps(layers, { isInitial, onto: slots.view, into: slots.view }, add)
      }
      // Links on the way, and the last one, lead to places in these layers and nowhere else.
      add({ op: 'open', act: 'find mount source', path: source, base: slots.view, into: slots.shown })
      add({ op: 'clone', act: 'bind mount', base: slots.shown, number: view(mount), onto })
      break
    }
    case 'file': {
      const { content, mode, uid = 0, gid = 0 } = mount
      const path = `file-${index}`
      const bytes = typeof content === 'string' ? Buffer.from(content) : content
      add({
        op: 'file',
        act: 'write file mount',
        path,
        base: slots.store,
        number: mode & 0o7777,
        flags: recordsOwners ? flags.ownerRecorded : 0,
        rest: [uid, gid, bytes],
      })
      // A script of a here-document is run directly.
      const number = (mode & 0o111 ? passive & ~attributes.noExec : passive) | attributes.readOnly
      add({ op: 'clone', act: 'bind mount', path, base: slots.store, number, onto })
      break
    }
  }
}

function view({ readOnly }: { readonly readOnly: boolean }): number {
  return attributes.noDev | (readOnly ? attributes.readOnly : 0)
}
