// From a solved graph to the places the user asked for. What an exporter does is src/export's.
import { type Context, task } from '../core/context.ts'
import type { Digest } from '../core/digest.ts'
import { SlipwayError } from '../core/error.ts'
import { layerCompression } from '../core/media-type.ts'
import { formatReference, parseReference } from '../core/reference.ts'
import { archiveExporter } from '../export/archive.ts'
import { checkOutput } from '../export/check-output.ts'
import { type FailureOutput, parseFailureOutput } from '../export/failure-output.ts'
import { type Output, parseOutput } from '../export/output.ts'
import { pushExporter } from '../export/push-image.ts'
import { storeExporter } from '../export/store-image.ts'
import { treeExporter } from '../export/tree.ts'
import type { Exported } from '../export/types.ts'
import { assemble } from '../image/assemble.ts'
import type { Image, ImageConfig } from '../image/types.ts'
import type { BlobRef } from '../ops/cached-layers.ts'
import type { LayerSource } from '../ops/layers.ts'
import type { Target } from '../plan/types.ts'
import type { Result } from '../solve/types.ts'
import type { Host } from './host.ts'
import { imageLayers } from './image-layers.ts'
import { convertWith, pushWith } from './push-with.ts'

export interface Outputs {
  readonly list: readonly Output[]
  /** Full references of `-t`. */
  readonly names: readonly string[]
  /** Of a step that fails. */
  readonly onFailure: readonly FailureOutput[]
}

export interface OutputRequest {
  readonly tags: readonly string[]
  readonly outputs: readonly string[]
  /** `--output-on-failure` values. */
  readonly outputsOnFailure: readonly string[]
  readonly stdoutIsTerminal: boolean
}

/** What the command line asks for, refused now if it could not be written later: nothing has been built yet. */
export async function openOutputs(request: OutputRequest): Promise<Outputs> {
  const names = [...new Set(request.tags.map((tag) => formatReference(withoutDigest(tag))))]
  const list = (request.outputs.length === 0 ? ['type=image'] : request.outputs).map(parseOutput)
  for (const output of list) {
    await checkOutput(output, { stdoutIsTerminal: request.stdoutIsTerminal })
    if (output.type === 'image' && output.push && namesOf(output, names).length === 0) {
      throw new SlipwayError({
        code: 'ERR_OUTPUT_INVALID',
        message: 'push image: it has no name',
        hint: 'name it with --tag REGISTRY/REPOSITORY:TAG',
      })
    }
  }
  if (list.filter((output) => 'dest' in output && output.dest === '-').length > 1) {
    throw new SlipwayError({
      code: 'ERR_OUTPUT_INVALID',
      message: 'write outputs: only one of them can go to standard output',
      hint: 'give the others a dest=PATH',
    })
  }
  const onFailure = request.outputsOnFailure.map(parseFailureOutput)
  for (const { type, dest } of onFailure) {
    await checkOutput({ type, dest }, { stdoutIsTerminal: request.stdoutIsTerminal })
  }
  return { list, names, onFailure }
}

/** Whether every output is an image: nobody asks for the files of the last layer. */
export function areImages({ list }: Outputs): boolean {
  return list.every(({ type }) => type === 'image' || type === 'oci' || type === 'docker')
}

function withoutDigest(tag: string): ReturnType<typeof parseReference> {
  const ref = parseReference(tag)
  if (ref.digest === undefined) return ref
  throw new SlipwayError({
    code: 'ERR_REFERENCE_INVALID',
    message: `invalid tag ${JSON.stringify(tag)}: a digest cannot be chosen`,
  })
}

function namesOf(output: { readonly names: readonly string[] }, names: readonly string[]): readonly string[] {
  return output.names.length > 0 ? output.names : names
}

export interface ExportRequest {
  readonly outputs: Outputs
  readonly target: Target
  readonly result: Result | null
  readonly layers: LayerSource
  readonly host: Host
  readonly epoch: string | undefined
  /** What the image's config has beside what the plan says. */
  decorate?(config: ImageConfig): Promise<ImageConfig>
}

export interface Made {
  readonly imageId?: Digest
  readonly metadata: Readonly<Record<string, unknown>>
}

/** Writes every output, one after the other; the first failure ends it. */
export async function exportBuild(request: ExportRequest, cx: Context): Promise<Made> {
  const { outputs, host, result, target, epoch } = request
  let assembled: Promise<Image> | undefined
  const image = (): Promise<Image> => {
    const isRead = (layer: BlobRef): boolean => outputs.list.some((output) => reads(output, layer))
    assembled ??= imageLayers(host, result, { source: request.layers, isRead }, cx).then(async (layers) => {
      const image = assemble(target, layers, epoch === undefined ? {} : { epoch })
      return { ...image, config: (await request.decorate?.(image.config)) ?? image.config }
    })
    return assembled
  }
  let made: Made = { metadata: {} }
  for (const output of outputs.list) {
    if (output.type === 'cacheonly') continue
    const exported = await task(cx, `export:${titleOf(output)}`, titleOf(output), () =>
      exportOne(output, image, request, cx),
    )
    if (exported.config !== undefined) made = describe(exported)
  }
  return made
}

/** Whether an output needs the bytes of a base image's layer: a registry mounts those that it has, and may ask for the others. */
function reads(output: Output, { descriptor }: BlobRef): boolean {
  if (output.type !== 'image') return output.type === 'oci' || output.type === 'docker'
  if (!output.push || output.store === true) return true
  const isZstd = layerCompression(descriptor.mediaType) === 'zstd'
  return output.form.forceCompression || (output.form.withoutZstd && isZstd)
}

async function exportOne(
  output: Exclude<Output, { type: 'cacheonly' }>,
  image: () => Promise<Image>,
  { outputs, host, result, layers, epoch }: ExportRequest,
  cx: Context,
): Promise<Exported> {
  const convert = convertWith(host)
  switch (output.type) {
    case 'local':
    case 'tar': {
      const directories = await layers.directories(result?.layers ?? [], cx)
      await treeExporter(output, {
        native: host.native,
        stdout: process.stdout,
        ...(epoch === undefined ? {} : { epoch }),
      }).export(directories, cx)
      return { names: [] }
    }
    case 'oci':
    case 'docker': {
      const names = namesOf(output, outputs.names)
      return archiveExporter(output, names, { store: host.store, convert, stdout: process.stdout }).export(
        await image(),
        cx,
      )
    }
    case 'image': {
      const names = namesOf(output, outputs.names)
      if (!output.push) return storeExporter(host.store, names).export(await image(), cx)
      const push = pushWith(host)
      return pushExporter(
        { names, form: output.form, store: output.store },
        { store: host.store, convert, push },
      ).export(await image(), cx)
    }
  }
}

function titleOf(output: Output): string {
  switch (output.type) {
    case 'image':
      return output.push ? 'exporting to registry' : 'exporting to image'
    case 'oci':
    case 'docker':
      return `exporting to ${output.type} image format`
    case 'local':
      return 'exporting to client directory'
    case 'tar':
      return 'exporting to client tarball'
    case 'cacheonly':
      return 'nothing to export'
  }
}

/** The keys buildx writes to a metadata file. */
function describe({ manifest, config, names }: Exported): Made {
  return {
    ...(config === undefined ? {} : { imageId: config.digest }),
    metadata: {
      ...(config === undefined ? {} : { 'containerimage.config.digest': config.digest }),
      ...(manifest === undefined
        ? {}
        : { 'containerimage.descriptor': manifest, 'containerimage.digest': manifest.digest }),
      ...(names.length === 0 ? {} : { 'image.name': names.join(',') }),
    },
  }
}
