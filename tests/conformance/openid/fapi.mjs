// What does a client of the FAPI 2.0 Security Profile do? It hands its request over, and holds a key or a
// certificate without which its tokens are worth nothing.

import { freshKey } from '../fresh_key.mjs'
import { checkIdToken, checkTokens, unguessable } from './checks.mjs'
import { ask } from './http.mjs'
import { proof, thumbprint } from './jwt.mjs'
import { authorize, browserOf, codeForm, codeOf, prove, request } from './oauth.mjs'
import { must, same } from './trial.mjs'

// A new key for DPoP.
export function newDpopKey() {
  const key = freshKey('ec', { namedCurve: 'P-256' })
  return { ...key, thumbprint: thumbprint(key) }
}

// Sends what `send(nonce)` makes, and once more with a nonce where the server wants one.
async function noncely(send) {
  const first = await send()
  const wanted = first.json?.error === 'use_dpop_nonce' || /use_dpop_nonce/.test(first.headers['www-authenticate'] ?? '')
  return wanted && first.headers['dpop-nonce'] ? send(first.headers['dpop-nonce']) : first
}

// Whether the clients of a run prove themselves by assertions.
export const byAssertion = ({ first }) => first.method === 'private_key_jwt'

// The request of a login, with PKCE; `verifier` and `key` stand beside it.
export function prepare(trial, client = trial.first, extra = {}) {
  const { verifier, challenge } = trial.pkce()
  const asked = request(trial, client, { scope: 'openid', ...challenge, ...extra })
  return { client, asked, verifier, key: trial.dpop ? newDpopKey() : undefined, browser: browserOf(trial) }
}

// Hands a request over (RFC 9126). `proven`: with a DPoP proof of that key.
export function push(trial, { client, asked }, { proving, proven, proofs = {}, method, more = {}, audience } = {}) {
  const made = prove(client, audience ?? trial.server.metadata.issuer, proving)
  const address = trial.server.endpoint('pushed_authorization_request_endpoint', made.certificate)
  return noncely((nonce) => {
    const headers = { ...made.headers }
    if (proven) headers.dpop = proof(proven, 'POST', address, { nonce, ...proofs })
    return ask(address, { method, form: { ...asked, ...more, ...made.form }, headers, certificate: made.certificate })
  })
}

// The name of a request that was taken.
export async function pushed(trial, flow, options) {
  const { status, type, json, text } = await push(trial, flow, options)
  same(status, 201, `(${text}) the status of the pushed request`)
  must(/^application\/json\b/.test(type) && json, `a pushed request of the type ${type}`)
  must(typeof json.request_uri === 'string', `request_uri is ${json.request_uri}`)
  unguessable(json.request_uri, 'request_uri')
  must(Number.isFinite(json.expires_in) && json.expires_in > 0, `expires_in is ${json.expires_in}`)
  return json
}

// Sends the person with the name of the request; `beside`: what else is in the address.
export async function visit(trial, { client, browser, asked }, uri, { beside = {}, as = client, looks } = {}) {
  const sent = { client_id: as.id, request_uri: uri, ...beside }
  const got = await authorize(trial, browser, sent, { until: client.redirect, looks })
  return withoutQuery(client.redirect, asked, got)
}

// What is in the redirect_uri itself comes back as it was.
function withoutQuery(redirect, asked, got) {
  if (!got.answer) return got
  const answer = { ...got.answer }
  for (const [name, value] of new URL(redirect).searchParams) {
    same(answer[name], value, `the parameter ${name} of the redirect_uri`)
    delete answer[name]
  }
  return { ...got, answer }
}

// Asks for tokens. `bare`: without the key or certificate that they are bound to; `proofs`: what is
// wrong with the DPoP proof.
export function redeem(trial, flow, form, { proving, proofs = {}, bare = false, key = flow.key, audience, as = flow.client, made } = {}) {
  made ??= prove(as, audience ?? trial.server.metadata.issuer, proving)
  const certificate = bare && !trial.dpop ? undefined : (made.certificate ?? (trial.dpop ? undefined : as.certificate))
  // One that shows none comes to the same place as one that does.
  const address = trial.server.endpoint('token_endpoint', as.certificate)
  return noncely((nonce) => {
    const headers = { ...made.headers }
    if (trial.dpop && !bare) headers.dpop = proof(key, 'POST', address, { nonce, ...proofs })
    return ask(address, { form: { ...form, ...made.form }, headers, certificate })
  })
}

export const grantOf = ({ client, verifier }, code, extra = {}) => codeForm(client, code, { code_verifier: verifier, ...extra })

// Userinfo is the resource. `how` says what is wrong with the request.
export function resource(trial, flow, token, { proofs = {}, key = flow.key, as = flow.client, scheme, headers: more = {}, header } = {}) {
  const certificate = trial.dpop ? undefined : as.certificate
  const address = trial.server.endpoint('userinfo_endpoint', certificate)
  const kind = scheme ?? (trial.dpop ? 'DPoP' : 'Bearer')
  return noncely((nonce) => {
    const headers = { authorization: `${kind} ${token}`, ...more }
    if (trial.dpop) headers[header ?? 'dpop'] = proof(key, 'GET', address, { token, nonce, ...proofs })
    return ask(address, { headers, certificate })
  })
}

export async function granted(trial, flow, options) {
  const answer = await resource(trial, flow, flow.tokens.access_token, options)
  same(answer.status, 200, `(${answer.text}) the status of the resource`)
  must(answer.headers.date, 'the resource has no Date')
  return answer
}

// From the pushed request to the code.
export async function code(trial, flow, { pushing, visiting } = {}) {
  const { request_uri: uri } = await pushed(trial, flow, pushing)
  return codeOf(trial, flow.asked, await visit(trial, flow, uri, visiting))
}

// From the code to the checked tokens.
export async function tokens(trial, flow, code, options) {
  const answer = await redeem(trial, flow, grantOf(flow, code), options)
  const made = checkTokens(trial, answer, trial.dpop ? 'dpop' : 'bearer')
  trial.should(made.expires_in, 'expires_in is missing')
  if (made.refresh_token) unguessable(made.refresh_token, 'the refresh token')
  const { client, asked } = flow
  const idToken = await checkIdToken(trial, { client, token: made.id_token, asked, tokens: made, code })
  must(idToken.header.kid, 'the ID token has no kid')
  must(['ES256', 'PS256', 'EdDSA', 'Ed25519'].includes(idToken.header.alg), `the ID token is signed with ${idToken.header.alg}`)
  return { ...flow, code, tokens: made, idToken }
}

// Everything that goes well.
export async function login(trial, flow = prepare(trial), { pushing, visiting, redeeming, using } = {}) {
  const done = await tokens(trial, flow, await code(trial, flow, { pushing, visiting }), redeeming)
  await granted(trial, done, using)
  return done
}
