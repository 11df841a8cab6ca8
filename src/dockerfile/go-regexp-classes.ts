// The sets of characters that Go's regular expressions have names for: `\d`, `[:alpha:]`, `\pL`, `\p{Greek}`.

/** Whether a rune belongs to a set. */
export type RuneTest = (rune: number) => boolean

/** `\d`, `\s`, `\w` by their letter; ASCII only, as Go has them. */
export function perlClass(letter: string): RuneTest | undefined {
  return asciiClass(perl, letter.toLowerCase(), letter !== letter.toLowerCase())
}

/** The set of `[:name:]` or `[:^name:]`. */
export function posixClass(name: string): RuneTest | undefined {
  return name.startsWith('^') ? asciiClass(posix, name.slice(1), true) : asciiClass(posix, name, false)
}

/** The set of `\p{name}`. Differs: the four-letter names of scripts are known, too. */
export function unicodeClass(name: string): RuneTest | undefined {
  const asked = name.startsWith('^') ? name.slice(1) : name
  const canonical = asked
    .replaceAll(/[_ -]/g, '')
    .replace(/^[a-z]/, (first) => first.toUpperCase())
    .replaceAll(/(?<=^.+)[A-Z]/g, (letter) => letter.toLowerCase())
  const members = unicodeSet(canonical)
  if (members === undefined) return undefined
  return (rune) => members.test(String.fromCodePoint(rune)) === (asked === name)
}

function unicodeSet(name: string): RegExp | undefined {
  const known = special[name] ?? categoryNamed(name)
  if (known !== undefined) return new RegExp(`^\\p{${known}}$`, 'u')
  if (!/^[A-Z][a-z]+$/.test(name)) return undefined
  try {
    return new RegExp(`^\\p{Script=${name}}$`, 'u')
  } catch (thrown) {
    // The only way to ask whether there is such a script.
    if (thrown instanceof SyntaxError) return undefined
    throw thrown
  }
}

const special: Readonly<Record<string, string>> = {
  Any: 'Any',
  Assigned: 'Assigned',
  Ascii: 'ASCII',
  Lc: 'LC',
}

function categoryNamed(name: string): string | undefined {
  if (categories.test(name)) return name
  const long = categoryAliases.find((alias) => canonicalAlias(alias) === name)
  return long === undefined ? undefined : `General_Category=${long}`
}

function canonicalAlias(alias: string): string {
  return alias[0]?.toUpperCase() + alias.slice(1).replaceAll('_', '').toLowerCase()
}

const categories = /^(?:C[cfnos]?|L[lmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|S[ckmo]?|Z[lps]?)$/

const categoryAliases = (
  'Cased_Letter Close_Punctuation Combining_Mark Connector_Punctuation Control Currency_Symbol Dash_Punctuation ' +
  'Decimal_Number Enclosing_Mark Final_Punctuation Format Initial_Punctuation Letter Letter_Number Line_Separator ' +
  'Lowercase_Letter Mark Math_Symbol Modifier_Letter Modifier_Symbol Nonspacing_Mark Number Open_Punctuation Other ' +
  'Other_Letter Other_Number Other_Punctuation Other_Symbol Paragraph_Separator Private_Use Punctuation Separator ' +
  'Space_Separator Spacing_Mark Surrogate Symbol Titlecase_Letter Unassigned Uppercase_Letter cntrl digit punct'
).split(' ')

function asciiClass(
  classes: Readonly<Record<string, RegExp>>,
  name: string,
  negated: boolean,
): RuneTest | undefined {
  const members = Object.hasOwn(classes, name) ? classes[name] : undefined
  return members && ((rune) => members.test(String.fromCodePoint(rune)) !== negated)
}

const perl: Readonly<Record<string, RegExp>> = { d: /[0-9]/, s: /[\t\n\f\r ]/, w: /[0-9A-Za-z_]/ }

const posix: Readonly<Record<string, RegExp>> = {
  alnum: /[0-9A-Za-z]/,
  alpha: /[A-Za-z]/,
  ascii: /[\0-\x7f]/,
  blank: /[\t ]/,
  cntrl: /[\0-\x1f\x7f]/,
  digit: /[0-9]/,
  graph: /[!-~]/,
  lower: /[a-z]/,
  print: /[ -~]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[\t-\r ]/,
  upper: /[A-Z]/,
  word: /[0-9A-Za-z_]/,
  xdigit: /[0-9A-Fa-f]/,
}
