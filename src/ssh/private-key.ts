// Private keys as ssh-keygen writes them: OpenSSH's own format (PROTOCOL.key) and PEM, without a passphrase.
import { createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject, sign } from 'node:crypto'
import { SlipwayError } from '../core/error.ts'
import { SshReader, sshMpint, sshString } from './wire.ts'

/** A key that signs. */
export interface SshKey {
  /** The public key as SSH has it: what it is asked for by. */
  readonly blob: Buffer
  /** What signatures are, with `flags` of SSH_AGENTC_SIGN_REQUEST. */
  sign(data: Buffer, flags: number): Buffer
}

/** The key in the text of a file; `name` is for messages. Throws ERR_SSH_KEY. */
export function parsePrivateKey(text: string, name: string): SshKey {
  try {
    const opened = /-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]*)-----END OPENSSH PRIVATE KEY-----/.exec(text)
    if (/ENCRYPTED/.test(text)) throw new PassphraseError()
    const key = opened === null ? createPrivateKey(text) : openSshKey(Buffer.from(opened[1] ?? '', 'base64'))
    return signingKey(key)
  } catch (thrown) {
    throw keyError(name, thrown)
  }
}

const magic = Buffer.from('openssh-key-v1\0')

function openSshKey(bytes: Buffer): KeyObject {
  const file = new SshReader(bytes)
  if (!file.take(magic.length).equals(magic)) throw new RangeError('it does not begin as one')
  if (file.text() !== 'none') throw new PassphraseError()
  file.string() // the way of making a key of a passphrase
  file.string() // its options
  if (file.uint32() !== 1) throw new RangeError('it holds several keys')
  file.string() // the public key
  const key = new SshReader(file.string())
  const [check, again] = [key.uint32(), key.uint32()]
  if (check !== again) throw new RangeError('its check does not fit')
  return createPrivateKey({ key: jwkOf(key), format: 'jwk' })
}

function jwkOf(key: SshReader): JsonWebKey {
  const type = key.text()
  if (type === 'ssh-ed25519') {
    const x = key.string()
    const both = key.string()
    return {
      kty: 'OKP',
      crv: 'Ed25519',
      x: x.toString('base64url'),
      d: both.subarray(0, 32).toString('base64url'),
    }
  }
  if (type === 'ssh-rsa') {
    const [n, e, d, qi, p, q] = [1, 2, 3, 4, 5, 6].map(() => withoutSign(key.string()))
    const parts = { n, e, d, p, q, qi }
    const [dp, dq] = [p, q].map((prime) => remainder(d ?? none, prime ?? none))
    return { kty: 'RSA', ...encoded({ ...parts, dp, dq }) }
  }
  const curve = curves.find(({ name }) => type === `ecdsa-sha2-${name}`)
  if (curve === undefined) throw new RangeError(`keys of type ${type} are not supported`)
  key.string() // the curve again
  const point = key.string()
  const d = withoutSign(key.string())
  const [x, y] = [point.subarray(1, 1 + curve.bytes), point.subarray(1 + curve.bytes)]
  const padded = Buffer.concat([Buffer.alloc(curve.bytes - d.length), d])
  return { kty: 'EC', crv: curve.jwk, ...encoded({ x, y, d: padded }) }
}

const none = Buffer.alloc(0)

const curves = [
  { name: 'nistp256', jwk: 'P-256', bytes: 32, hash: 'sha256' },
  { name: 'nistp384', jwk: 'P-384', bytes: 48, hash: 'sha384' },
  { name: 'nistp521', jwk: 'P-521', bytes: 66, hash: 'sha512' },
] as const

function encoded(parts: Readonly<Record<string, Buffer | undefined>>): JsonWebKey {
  return Object.fromEntries(
    Object.entries(parts).map(([name, part]) => [name, (part ?? none).toString('base64url')]),
  )
}

function withoutSign(mpint: Buffer): Buffer {
  return mpint[0] === 0 ? mpint.subarray(1) : mpint
}

/** `d` modulo `prime - 1`, which the format leaves out. */
function remainder(d: Buffer, prime: Buffer): Buffer {
  const hex = (BigInt(`0x${d.toString('hex')}`) % (BigInt(`0x${prime.toString('hex')}`) - 1n)).toString(16)
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')
}

/** Flags of SSH_AGENTC_SIGN_REQUEST; without them RSA signs with SHA-1. */
const [rsaSha256, rsaSha512] = [2, 4]

function signingKey(key: KeyObject): SshKey {
  const { kty, crv, x = '', y = '', n = '', e = '' } = createPublicKey(key).export({ format: 'jwk' })
  const part = (text: string): Buffer => Buffer.from(text, 'base64url')
  const signature = (type: string, bytes: Buffer): Buffer =>
    Buffer.concat([sshString(type), sshString(bytes)])
  if (kty === 'OKP' && crv === 'Ed25519') {
    return {
      blob: Buffer.concat([sshString('ssh-ed25519'), sshString(part(x))]),
      sign: (data) => signature('ssh-ed25519', sign(null, data, key)),
    }
  }
  if (kty === 'RSA') {
    return {
      blob: Buffer.concat([sshString('ssh-rsa'), sshMpint(part(e)), sshMpint(part(n))]),
      sign(data, flags) {
        if (flags & rsaSha512) return signature('rsa-sha2-512', sign('sha512', data, key))
        if (flags & rsaSha256) return signature('rsa-sha2-256', sign('sha256', data, key))
        return signature('ssh-rsa', sign('sha1', data, key))
      },
    }
  }
  const curve = curves.find(({ jwk }) => jwk === crv)
  if (kty !== 'EC' || curve === undefined) throw new RangeError('keys of its type are not supported')
  const type = `ecdsa-sha2-${curve.name}`
  const point = Buffer.concat([Buffer.from([4]), part(x), part(y)])
  return {
    blob: Buffer.concat([sshString(type), sshString(curve.name), sshString(point)]),
    sign(data) {
      const both = sign(curve.hash, data, { key, dsaEncoding: 'ieee-p1363' })
      const [r, s] = [both.subarray(0, curve.bytes), both.subarray(curve.bytes)]
      return signature(type, Buffer.concat([sshMpint(r), sshMpint(s)]))
    },
  }
}

class PassphraseError extends Error {}

function keyError(name: string, thrown: unknown): SlipwayError {
  if (thrown instanceof PassphraseError) {
    return new SlipwayError({
      code: 'ERR_SSH_KEY',
      message: `read SSH key ${name}: it has a passphrase`,
      hint: `give it to an agent (ssh-add ${name}) and pass --ssh default`,
    })
  }
  const reason = thrown instanceof RangeError ? thrown.message : 'it is no private key that ssh-keygen writes'
  // Not as a cause: what OpenSSL says may quote the key.
  return new SlipwayError({ code: 'ERR_SSH_KEY', message: `read SSH key ${name}: ${reason}` })
}
