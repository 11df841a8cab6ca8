// Where a finished image goes.
import type { Context } from '../core/context.ts'
import type { Descriptor } from '../core/descriptor.ts'
import type { Image } from '../image/types.ts'

/** What an exporter reports; also the metadata file's content. */
export interface Exported {
  /** Absent for exporters that write files only (local, tar). */
  readonly manifest?: Descriptor
  readonly config?: Descriptor
  readonly names: readonly string[]
}

export interface Exporter {
  /** Postcondition: the destination is complete, or unchanged. */
  export(image: Image, cx: Context): Promise<Exported>
}
