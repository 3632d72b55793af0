// How are tokens read, and made right or wrong on purpose?

import { createHash, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import { random, seconds } from './http.mjs'
import { must } from './trial.mjs'

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')

// How node names what an algorithm of RFC 7518 does.
const ALGORITHMS = {
  ES256: { hash: 'sha256', dsaEncoding: 'ieee-p1363' },
  ES384: { hash: 'sha384', dsaEncoding: 'ieee-p1363' },
  RS256: { hash: 'sha256' },
  PS256: { hash: 'sha256', padding: 6, saltLength: 32 },
  EdDSA: { hash: null },
}

// The parts of a JWS; a failure says what it was meant to be.
export function parts(token, what) {
  must(typeof token === 'string', `${what} is missing`)
  const [head, body, signature, more] = token.split('.')
  must(signature !== undefined && more === undefined, `${what} is no JWS: ${token}`)
  try {
    const read = (part) => JSON.parse(Buffer.from(part, 'base64url').toString())
    return { header: read(head), claims: read(body), signature, signed: `${head}.${body}` }
  } catch {
    throw new Error(`${what} is no JWT: ${token}`)
  }
}

// Signs `claims` as `header` says; `alg: none` has no signature, and no `alg` the usual one of the key.
export function signed(header, claims, key) {
  const text = `${encode(header)}.${encode(claims)}`
  if (header.alg === 'none') return `${text}.`
  const { hash, ...options } = ALGORITHMS[header.alg ?? algorithmOf(key)]
  const made = sign(hash, Buffer.from(text), { key: createPrivateKey({ key, format: 'jwk' }), ...options })
  return `${text}.${made.toString('base64url')}`
}

// Whether the JWS holds with this public key.
export function holds({ header, signed, signature }, key) {
  const known = ALGORITHMS[header.alg ?? algorithmOf(key)]
  must(known, `an algorithm that nobody checks: ${header.alg}`)
  const { hash, ...options } = known
  const opened = { key: createPublicKey({ key, format: 'jwk' }), ...options }
  return verify(hash, Buffer.from(signed), opened, Buffer.from(signature, 'base64url'))
}

// The public half of a key.
export function publicHalf(key) {
  const { kty, crv, x, y, n, e, kid, use, alg } = key
  return JSON.parse(JSON.stringify({ kty, crv, x, y, n, e, kid, use, alg }))
}

export const sha256 = (text) => createHash('sha256').update(text).digest('base64url')

// The left half of a hash, as at_hash and c_hash have it.
export function half(algorithm, text) {
  const name = `sha${/\d+$/.exec(algorithm)?.[0] ?? '512'}`
  const hash = createHash(name).update(text).digest()
  return hash.subarray(0, hash.length / 2).toString('base64url')
}

// RFC 7638.
export function thumbprint({ kty, crv, x, y, n, e }) {
  return sha256(JSON.stringify(kty === 'RSA' ? { e, kty, n } : kty === 'EC' ? { crv, kty, x, y } : { crv, kty, x }))
}

export const algorithmOf = (key) => key.alg ?? (key.kty === 'EC' ? 'ES256' : 'PS256')

// What a client proves itself with (RFC 7523); `change` makes it wrong.
export function assertion(client, audience, change = (claims) => claims, header = {}) {
  const now = seconds()
  const claims = { iss: client.id, sub: client.id, aud: audience, jti: random(), iat: now, exp: now + 60 }
  const head = { alg: client.algorithm ?? algorithmOf(client.key), kid: client.key.kid, ...header }
  return signed(head, change(claims), client.key)
}

// A DPoP proof (RFC 9449 section 4.2); `change` makes claims wrong, `header` its head.
export function proof(key, method, address, { token, nonce, change = (claims) => claims, header = {} } = {}) {
  const claims = { jti: random(), htm: method, htu: address.split('?')[0], iat: seconds() }
  if (token) claims.ath = sha256(token)
  if (nonce) claims.nonce = nonce
  const jwk = publicHalf({ ...key, kid: undefined, use: undefined, alg: undefined })
  return signed({ typ: 'dpop+jwt', alg: algorithmOf(key), jwk, ...header }, change(claims), key)
}
