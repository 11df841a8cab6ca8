// One record of comma-separated fields (RFC 4180), the syntax of docker's flags: `--output`, `RUN --mount`.

/** A field without its quotes, and for each of its characters the offset it stands at. */
export interface CsvField {
  readonly text: string
  readonly places: readonly number[]
  /** The field as written, quotes included. */
  readonly start: number
  readonly end: number
}

/** The fields of `text`, quotes removed; undefined when a quote is out of place. */
export function readCsvFields(text: string): readonly string[] | undefined {
  return readPlacedCsvFields(text)?.map((field) => field.text)
}

/** As `readCsvFields`, with where everything stands. */
export function readPlacedCsvFields(text: string): readonly CsvField[] | undefined {
  const fields: CsvField[] = []
  let at = 0
  for (;;) {
    if (text[at] !== '"') {
      const comma = text.indexOf(',', at)
      const field = plainField(text, at, comma === -1 ? text.length : comma)
      if (field.text.includes('"')) return undefined
      fields.push(field)
      if (comma === -1) return fields
      at = comma + 1
      continue
    }
    const field = quotedField(text, at)
    if (field === undefined) return undefined
    fields.push(field)
    if (field.end === text.length) return fields
    if (text[field.end] !== ',') return undefined
    at = field.end + 1
  }
}

function plainField(text: string, start: number, end: number): CsvField {
  return { text: text.slice(start, end), places: range(start, end), start, end }
}

/** The field whose opening quote is at `start`; undefined when it is never closed. */
function quotedField(text: string, start: number): CsvField | undefined {
  const parts: string[] = []
  const places: number[] = []
  for (let from = start + 1; ; ) {
    const quote = text.indexOf('"', from)
    if (quote === -1) return undefined
    const isDoubled = text[quote + 1] === '"'
    const end = isDoubled ? quote + 1 : quote
    parts.push(text.slice(from, end))
    for (const place of range(from, end)) places.push(place)
    if (!isDoubled) return { text: parts.join(''), places, start, end: quote + 1 }
    from = quote + 2
  }
}

function range(start: number, end: number): number[] {
  const places: number[] = []
  for (let place = start; place < end; place++) places.push(place)
  return places
}
