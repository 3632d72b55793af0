// A new private key as JWK, as `generateKeyPairSync` of node:crypto makes it of `type` and `options`.
//
// Node.js 20 may stand still for ever when it exports such a key itself: the export holds a lock of the key,
// and the job that made the key takes the same one when the garbage collector finds it meanwhile. Read again
// from PEM, a key has a lock of its own.

import { createPrivateKey, generateKeyPairSync } from 'node:crypto'

export function freshKey(type, options) {
  const privateKeyEncoding = { type: 'pkcs8', format: 'pem' }
  const publicKeyEncoding = { type: 'spki', format: 'pem' }
  const { privateKey } = generateKeyPairSync(type, { ...options, privateKeyEncoding, publicKeyEncoding })
  return createPrivateKey(privateKey).export({ format: 'jwk' })
}
