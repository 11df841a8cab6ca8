/** `size` bytes that compress well: a few words in an order that is always the same. */
export function wordsOf(size: number): Buffer {
  const words = ['layer', 'blob', 'digest', 'whiteout', '\n', '\0\0\0']
  let seed = 7
  const parts: string[] = []
  for (let length = 0; length < size; length += parts.at(-1)?.length ?? 0) {
    seed = (seed * 1103515245 + 12345) % 2147483648
    parts.push(words[seed % words.length] ?? '')
  }
  return Buffer.from(parts.join('')).subarray(0, size)
}
