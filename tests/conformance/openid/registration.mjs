// How does a client of the harness register itself? (OpenID Connect Registration)

import { freshKey } from '../fresh_key.mjs'
import { refused } from './checks.mjs'
import { ask, random } from './http.mjs'
import { publicHalf } from './jwt.mjs'
import { must, same } from './trial.mjs'

// A new RSA key, which signs with RS256.
export function newKey() {
  return { ...freshKey('rsa', { modulusLength: 2048 }), kid: random(8), use: 'sig', alg: 'RS256' }
}

const usual = (trial, key) => ({
  client_name: `${trial.name} ${random(4)}`,
  grant_types: ['authorization_code'],
  response_types: ['code'],
  redirect_uris: [trial.redirect],
  contacts: ['ann@example.com'],
  token_endpoint_auth_method: trial.method,
  jwks: { keys: [publicHalf(key)] },
})

// What is asked; `extra` changes it and removes with `undefined`.
export function send(trial, key, extra) {
  const endpoint = trial.server.endpoint('registration_endpoint')
  return ask(endpoint, { json: { ...usual(trial, key), ...extra } })
}

// A client that has just registered itself.
export async function registered(trial, extra = {}, key = trial.rsa) {
  const answer = await send(trial, key, extra)
  same(answer.status, 201, `(${answer.text}) the status of the registration`)
  must(/^application\/json\b/.test(answer.type) && answer.json, `a registration of the type ${answer.type}`)
  const { client_id: id, client_secret: secret, client_secret_expires_at: expires } = answer.json
  must(typeof id === 'string' && id, 'there is no client_id')
  must(!secret || Number.isInteger(expires), 'client_secret_expires_at is missing beside a secret')
  const { registration_client_uri: uri, registration_access_token: token } = answer.json
  same(Boolean(uri), Boolean(token), 'whether there is a token beside registration_client_uri')
  const [redirect] = extra.redirect_uris ?? [trial.redirect]
  return { id, secret, key, method: trial.method, algorithm: 'RS256', redirect, answer: answer.json }
}

// A registration that is refused.
export async function notRegistered(trial, extra, codes) {
  const answer = await send(trial, trial.rsa, extra)
  refused(trial, answer, codes)
}
