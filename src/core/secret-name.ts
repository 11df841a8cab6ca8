// Which variables are not to be shown: their names say that they hold a secret.

const anywhere = /apikey|credential|passphrase|passwd|password|pword|secret|token/i
const asWord = /(?:_|^)(?:auth|key|pass|pat)(?:_|$)|key$/i
const harmless = /(?:_|^)(?:public|file|version)(?:_|$)/i

/** Whether a variable of this name is to be taken for a secret. Wider than the build check of such names: what is masked in vain does no harm. */
export function isSecretName(name: string): boolean {
  return (anywhere.test(name) || asWord.test(name)) && !harmless.test(name)
}
