// An OCI layout directory as an export destination: new ones appear whole, in existing ones the image is added
// and index.json is replaced last, so that a reader never finds an entry without its blobs.
import { access, mkdir, readFile, rm } from 'node:fs/promises'
import type { Context } from '../core/context.ts'
import type { Descriptor } from '../core/descriptor.ts'
import { errnoOf } from '../core/error.ts'
import { parseIndex } from '../image/parse.ts'
import type { ContentReader } from '../store/types.ts'
import { makeDirectories } from '../sys/make-directories.ts'
import { inPlaceOf, makeParents, writeFailure, writeFileWhole } from './destination.ts'
import { indexEntries, indexOf, type LayoutFile, type LayoutOptions, layoutFiles } from './layout-files.ts'
import type { PackedImage } from './packed-image.ts'

/** Postcondition: the layout at `dest` holds the image; on failure it is as before, or absent if it was. */
export async function writeLayoutDirectory(
  dest: string,
  image: PackedImage,
  options: LayoutOptions,
  store: ContentReader,
  cx: Context,
): Promise<void> {
  const files = layoutFiles(image, options)
  const known = await readEntries(dest)
  if (known === undefined) {
    const made = makeParents(dest)
    try {
      // rename(2) replaces an empty directory.
      await inPlaceOf(dest, async (temp) => {
        await mkdir(`${temp}/blobs/sha256`, { recursive: true })
        for (const file of files) await writeOne(temp, file, store, cx)
      })
    } catch (thrown) {
      if (made !== undefined) await rm(made, { recursive: true })
      throw thrown
    }
    return
  }
  const added: string[] = []
  try {
    const made = makeDirectories(`${dest}/blobs/sha256`)
    if (made !== undefined) added.push(made)
    for (const file of files.filter(({ path }) => path !== 'index.json')) {
      if (await exists(`${dest}/${file.path}`)) continue
      await writeOne(dest, file, store, cx)
      added.push(`${dest}/${file.path}`)
    }
    const entries = merged(known, indexEntries(image.manifest.descriptor, options))
    await writeFileWhole(`${dest}/index.json`, one(indexOf(entries)), cx.signal)
  } catch (thrown) {
    for (const path of added) await rm(path, { recursive: true, force: true })
    throw writeFailure(dest, thrown)
  }
}

// The entries of the layout at `dest`; undefined when there is nothing yet.
async function readEntries(dest: string): Promise<readonly Descriptor[] | undefined> {
  try {
    return parseIndex(await readFile(`${dest}/index.json`)).manifests
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined
    throw writeFailure(dest, thrown)
  }
}

// A name moves to the new image; an entry without a name is kept once.
function merged(known: readonly Descriptor[], fresh: readonly Descriptor[]): readonly Descriptor[] {
  const nameOf = (entry: Descriptor): string => {
    const annotations = entry.annotations ?? {}
    const name = annotations['io.containerd.image.name'] ?? annotations['org.opencontainers.image.ref.name']
    return name ?? entry.digest
  }
  const replaced = new Set(fresh.map(nameOf))
  return [...known.filter((entry) => !replaced.has(nameOf(entry))), ...fresh]
}

async function writeOne(root: string, file: LayoutFile, store: ContentReader, cx: Context): Promise<void> {
  const { content } = file
  const chunks = Buffer.isBuffer(content) ? one(content) : await store.open(content, { signal: cx.signal })
  await writeFileWhole(`${root}/${file.path}`, chunks, cx.signal)
}

async function* one(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
