// What the headers of an answer say about a file.

/** The file name in a Content-Disposition header (RFC 6266), without any directory. */
export function filenameOf(disposition: string | undefined): string | undefined {
  if (disposition === undefined) return undefined
  const parameters = new Map<string, string>()
  for (const [, name = '', quoted, plain = ''] of disposition.matchAll(
    /;\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))/g,
  )) {
    parameters.set(name.toLowerCase(), quoted === undefined ? plain : quoted.replace(/\\(.)/g, '$1'))
  }
  const name = extended(parameters.get('filename*')) ?? parameters.get('filename')
  // As Go does: a name that ends as a directory is none.
  if (name === undefined || name === '' || name.endsWith('/')) return undefined
  return name.slice(name.lastIndexOf('/') + 1)
}

/** `UTF-8''na%C3%AFve` (RFC 8187). */
function extended(value: string | undefined): string | undefined {
  const encoded = /^utf-8'[^']*'(.*)$/i.exec(value ?? '')?.[1]
  if (encoded === undefined) return undefined
  try {
    return decodeURIComponent(encoded)
  } catch (thrown) {
    if (thrown instanceof URIError) return undefined
    throw thrown
  }
}

/** An HTTP date (RFC 9110 §5.6.7) as seconds since 1970. */
export function secondsOf(date: string | undefined): number | undefined {
  if (date === undefined || !/^\w+,? /.test(date)) return undefined
  const milliseconds = Date.parse(date)
  return Number.isNaN(milliseconds) ? undefined : Math.floor(milliseconds / 1000)
}

/** An entity tag without its mark of weakness: of a tag that a server gives to equal content the rest is equal. */
export function tagOf(etag: string | undefined): string | undefined {
  const tag = etag?.trim().replace(/^W\//, '')
  return tag === undefined || tag === '' ? undefined : tag
}
