// Keys for clients, made anew: an RSA key for PS256 and a P-256 key for ES256, as JSON.

import { freshKey } from '../fresh_key.mjs'

const made = (type, options, about) => ({ ...freshKey(type, options), ...about })

console.log(
  JSON.stringify({
    rsa: made('rsa', { modulusLength: 2048 }, { kid: 'rsa', use: 'sig', alg: 'PS256' }),
    ec: made('ec', { namedCurve: 'P-256' }, { kid: 'ec', use: 'sig', alg: 'ES256' }),
  }),
)
