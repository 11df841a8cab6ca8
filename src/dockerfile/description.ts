// The comment above FROM and ARG as documentation: `# name what it is for`.

/** What the first comment line that begins with `name` says about it. */
export function describe(name: string, comments: readonly string[]): string | undefined {
  const line = comments.find((comment) => comment.startsWith(`${name} `))
  return line?.slice(name.length + 1)
}
