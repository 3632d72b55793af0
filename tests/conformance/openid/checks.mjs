// What holds for every answer: codes, tokens, ID tokens, errors?

import { seconds } from './http.mjs'
import { algorithmOf, half, holds, parts } from './jwt.mjs'
import { must, same } from './trial.mjs'

const SKEW = 300
// RFC 6749 appendix A.
const ERROR_TEXT = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/
const TOKEN_TEXT = /^[\x20-\x7e]+$/

// How many bits a value seems to have.
function entropy(text) {
  const counts = new Map()
  for (const one of text) counts.set(one, (counts.get(one) ?? 0) + 1)
  let bits = 0
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length)
  return bits * text.length
}

export function unguessable(text, what) {
  must(entropy(text) >= 96, `${what} has not the 96 bits that nobody guesses`)
}

export function checkCode(trial, answer) {
  unguessable(answer.code, 'the code')
  const known = ['code', 'state', 'iss', 'session_state', 'scope']
  trial.should(Object.keys(answer).every((name) => known.includes(name)), `unexpected parameters: ${Object.keys(answer)}`)
}

// The error of an authorization endpoint, in its form (RFC 6749 section 4.1.2.1).
export function errorOfAuthorization(trial, answer) {
  must(answer.error, `there is no error: ${JSON.stringify(answer)}`)
  must(answer.code === undefined, 'an error comes with a code')
  described(trial, answer)
  const known = ['error', 'error_description', 'error_uri', 'state', 'iss', 'session_state']
  trial.should(Object.keys(answer).every((name) => known.includes(name)), `unexpected parameters: ${Object.keys(answer)}`)
}

function described(trial, { error, error_description: description, error_uri: uri }) {
  must(typeof error === 'string' && ERROR_TEXT.test(error), `error is no error: ${error}`)
  must(description === undefined || ERROR_TEXT.test(description), `error_description has other characters: ${description}`)
  must(uri === undefined || URL.canParse(uri), `error_uri is no address: ${uri}`)
}

// A refusal of the token endpoint, or of another that answers in its form (RFC 6749 section 5.2).
export function refused(trial, answer, codes, statuses = [400]) {
  const { status, json, type, text } = answer
  must(statuses.includes(status), `the status is ${status} and none of ${statuses}: ${text}`)
  must(/^application\/json\b/.test(type), `an error of the type ${type}`)
  must(json, `an error that is no JSON: ${text}`)
  described(trial, json)
  must(codes.includes(json.error), `the error is ${json.error} (${json.error_description}) and none of ${codes.join(', ')}`)
}

// Tokens as RFC 6749 section 5.1 and OpenID Connect Core section 3.1.3.3 have them.
export function checkTokens(trial, answer, type = 'bearer') {
  const { status, json, text, headers } = answer
  same(status, 200, `(${text}) the status of the token endpoint`)
  must(json && /^application\/json\b/.test(answer.type), `tokens of the type ${answer.type}: ${text}`)
  must(/no-store/.test(headers['cache-control'] ?? ''), `cache-control is ${headers['cache-control']}`)
  must(typeof json.access_token === 'string' && TOKEN_TEXT.test(json.access_token), `the access token is ${json.access_token}`)
  unguessable(json.access_token, 'the access token')
  same(json.token_type?.toLowerCase(), type, 'token_type')
  const life = json.expires_in
  must(life === undefined || (Number.isInteger(life) && life > 0), `expires_in is ${life}`)
  const refresh = json.refresh_token
  must(refresh === undefined || TOKEN_TEXT.test(refresh), `the refresh token is ${refresh}`)
  return json
}

// The key of the server that a JWS is signed with.
export async function keyOf(trial, { header }) {
  const keys = (await trial.server.keys()).filter((key) => key.use !== 'enc')
  must(header.kid !== undefined || keys.length === 1, 'there are several keys, and the token names none')
  const named = header.kid === undefined ? keys : keys.filter((key) => key.kid === header.kid)
  same(named.length, 1, `how many keys are called ${header.kid}`)
  return named[0]
}

// An ID token (OpenID Connect Core section 3.1.3.7). `asked` is the request, `algorithm` the one that
// was agreed.
export async function checkIdToken(trial, { client, token, asked = {}, tokens = {}, code, algorithm }) {
  const read = parts(token, 'the ID token')
  const { header, claims } = read
  if (algorithm) same(header.alg, algorithm, 'the algorithm of the ID token')
  if (header.alg === 'none') same(read.signature, '', 'the signature of an unsigned ID token')
  else must(holds(read, await keyOf(trial, read)), 'the signature of the ID token does not hold')
  const { iss, sub, aud, azp, exp, iat, nbf, nonce, acr, auth_time: time } = claims
  same(iss, trial.server.metadata.issuer, 'iss')
  must(typeof sub === 'string' && /^[\x20-\x7e]{1,255}$/.test(sub), `sub is ${sub}`)
  const audience = [aud].flat()
  must(audience.includes(client.id), `aud is ${JSON.stringify(aud)}`)
  must(audience.length === 1 || azp !== undefined, 'azp is missing beside several audiences')
  if (azp !== undefined) same(azp, client.id, 'azp')
  const now = seconds()
  must(Number.isFinite(exp) && exp > now - SKEW, `exp is ${exp}`)
  must(Number.isFinite(iat) && iat < now + SKEW && iat > now - 3600, `iat is ${iat}`)
  must(nbf === undefined || nbf < now + SKEW, `nbf is ${nbf}`)
  must(time === undefined || Number.isInteger(time), `auth_time is ${time}`)
  must(acr === undefined || typeof acr === 'string', `acr is ${acr}`)
  same(nonce, asked.nonce, 'nonce')
  const hashed = header.alg === 'none' ? {} : { at_hash: tokens.access_token, c_hash: code }
  for (const [name, value] of Object.entries(hashed)) {
    if (claims[name] !== undefined && value) same(claims[name], half(header.alg, value), name)
  }
  return read
}

// Keys as RFC 7517 has them, each with a name of its own and nothing of a private one.
export function checkKeys(keys) {
  must(keys.length > 0, 'there are no keys')
  const names = keys.map((key) => key.kid)
  must(names.every((name) => typeof name === 'string' && name), 'a key has no kid')
  same(new Set(names).size, names.length, 'how many different kids there are')
  for (const key of keys) {
    for (const name of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) must(!(name in key), `${key.kid} tells its ${name}`)
    const needed = { RSA: ['n', 'e'], EC: ['crv', 'x', 'y'], OKP: ['crv', 'x'], AKP: ['pub', 'alg'] }[key.kty]
    must(needed, `a key of the type ${key.kty}`)
    const plain = needed.filter((name) => name !== 'crv' && name !== 'alg').every((name) => /^[\w-]+$/.test(key[name] ?? ''))
    must(plain, `${key.kid} is not in base64url`)
    algorithmOf(key)
  }
}
