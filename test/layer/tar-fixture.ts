// Archives by hand, for tests: headers that the encoder would never write.

export interface RawBlock {
  readonly name: string
  readonly typeflag?: string
  readonly linkName?: string
  readonly size?: number
  /** The size field's bytes, instead of `size` in octal. */
  readonly rawSize?: string
  readonly mode?: number
  readonly devMajor?: number
  readonly devMinor?: number
}

/** A ustar header with a right checksum. */
export function tarBlock(fields: RawBlock): Buffer {
  const block = Buffer.alloc(512)
  const octal = (value: number, at: number, digits: number): void => {
    block.write(value.toString(8).padStart(digits, '0'), at, 'latin1')
  }
  block.write(fields.name, 0, 100, 'latin1')
  octal(fields.mode ?? 0o644, 100, 7)
  octal(0, 108, 7)
  octal(0, 116, 7)
  if (fields.rawSize === undefined) octal(fields.size ?? 0, 124, 11)
  else block.write(fields.rawSize, 124, 12, 'latin1')
  octal(1_000_000_000, 136, 11)
  block.write('        ', 148, 'latin1')
  block.write(fields.typeflag ?? '0', 156, 'latin1')
  block.write(fields.linkName ?? '', 157, 100, 'latin1')
  block.write('ustar\x0000', 257, 'latin1')
  octal(fields.devMajor ?? 0, 329, 7)
  octal(fields.devMinor ?? 0, 337, 7)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

/** A file member, padded. */
export function tarFile(name: string, content: string, fields: Partial<RawBlock> = {}): Buffer {
  const body = Buffer.alloc(Math.ceil(content.length / 512) * 512)
  body.write(content, 'latin1')
  return Buffer.concat([tarBlock({ ...fields, name, size: content.length }), body])
}

/** A whole archive. */
export function tarOf(...members: readonly Buffer[]): Buffer {
  return Buffer.concat([...members, Buffer.alloc(1024)])
}

export async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts)
}
