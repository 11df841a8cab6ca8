// One record of comma-separated fields (RFC 4180), the syntax of docker's flags: `--output`, `RUN --mount`.

/** The fields of `text`, quotes removed; undefined when a quote is out of place. */
export function readCsvFields(text: string): readonly string[] | undefined {
  const fields: string[] = []
  let at = 0
  for (;;) {
    if (text[at] !== '"') {
      const comma = text.indexOf(',', at)
      const field = text.slice(at, comma === -1 ? text.length : comma)
      if (field.includes('"')) return undefined
      fields.push(field)
      if (comma === -1) return fields
      at = comma + 1
      continue
    }
    let field = ''
    let from = at + 1
    for (;;) {
      const quote = text.indexOf('"', from)
      if (quote === -1) return undefined
      field += text.slice(from, quote)
      from = quote + 1
      if (text[from] !== '"') break
      field += '"'
      from++
    }
    fields.push(field)
    if (from === text.length) return fields
    if (text[from] !== ',') return undefined
    at = from + 1
  }
}
