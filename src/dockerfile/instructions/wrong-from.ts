// A FROM that is neither `image` nor `image AS name`: which of its words is one too many or one too few.
import { nearest } from '../../core/diagnostic.ts'
import type { Range } from '../characters.ts'
import { noComment } from '../instruction-text.ts'

/** What is wrong in `args`: the place in it, and what to write. */
export interface WrongFrom {
  readonly place: Range
  readonly hint: string
}

export function wrongFrom(args: string): WrongFrom {
  const words = [...args.matchAll(/\S+/g)].map((m) => ({
    text: m[0],
    start: m.index,
    end: m.index + m[0].length,
  }))
  const whole = { start: 0, end: args.length }
  const from = (index: number): Range => ({ start: words[index]?.start ?? 0, end: args.length })
  const [image, second, third] = words.map(({ text }) => text)
  if (image === undefined) return { place: whole, hint: 'name an image, a stage or scratch' }
  if (args.includes('\r')) {
    const place = { start: args.indexOf('\r'), end: args.indexOf('\r') + 1 }
    return { place, hint: 'a line does not end with CR alone: save the file with LF' }
  }
  const comment = words.findIndex(({ text }) => text.startsWith('#'))
  if (comment > 0) return { place: from(comment), hint: noComment }
  const flag = words.findIndex(({ text }) => /^--\w/.test(text))
  if (flag > 0) {
    const hint = 'flags stand before the image: FROM --platform=<platform> image'
    return { place: words[flag] ?? whole, hint }
  }
  const [joined = ''] = /^[^\s#]+?\s*[:@]\s*[^\s:@]+/.exec(args) ?? []
  if (/\s/.test(joined)) {
    return {
      place: { start: 0, end: joined.length },
      hint: `write the image without blanks: ${joined.replace(/\s/g, '')}`,
    }
  }
  if (second === undefined || image.startsWith('{{')) {
    return { place: whole, hint: 'write it as FROM image or FROM image AS name' }
  }
  if (second.toUpperCase() === 'AS') {
    if (third === undefined)
      return { place: from(1), hint: `the stage's name is missing: FROM ${image} ${second} <name>` }
    const name = words
      .slice(2)
      .map(({ text }) => text)
      .join('-')
    return { place: from(3), hint: `a stage's name is one word: FROM ${image} ${second} ${name}` }
  }
  if (third === undefined)
    return { place: from(1), hint: `to name the stage, write FROM ${image} AS ${second}` }
  const isAs = words.length === 3 && nearest(second, ['AS']) !== undefined
  if (isAs) return { place: words[1] ?? whole, hint: 'did you mean AS?' }
  return { place: from(1), hint: 'write it as FROM image or FROM image AS name' }
}
