// What does a client do, step by step, from the authorization request to the tokens?

import { Browser } from '../oauth_clients/browser.mjs'
import { checkCode, checkIdToken, checkTokens, errorOfAuthorization } from './checks.mjs'
import { ask, inTurn, random } from './http.mjs'
import { assertion } from './jwt.mjs'
import { Failure, must, same } from './trial.mjs'

// A client as the modules know it: { id, secret, method, key, algorithm, certificate, redirect, scope }.
export const clientOf = (trial, name) => {
  const client = trial.clients[name]
  must(client, `there is no client ${name}`)
  return client
}

export const browserOf = (trial, options) => new Browser(trial.person, options)

// An authorization request; `extra` adds, changes, and removes with `undefined`.
export function request(trial, client, extra = {}) {
  const usual = {
    response_type: 'code',
    client_id: client.id,
    redirect_uri: client.redirect,
    scope: client.scope ?? 'openid',
    state: random(),
    nonce: random(),
    ...(trial.formPost ? { response_mode: 'form_post' } : {}),
  }
  return Object.fromEntries(Object.entries({ ...usual, ...extra }).filter(([, value]) => value !== undefined))
}

// Sends a person with the request to the server. Answers what came back to the client, `answer`, or
// the page on which it ended.
export async function authorize(trial, browser, asked, { until = asked.redirect_uri, post = false, looks = false } = {}) {
  const endpoint = trial.server.endpoint('authorization_endpoint')
  const query = new URLSearchParams(asked)
  const mark = endpoint.includes('?') ? '&' : '?'
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const visit = () =>
    post
      ? browser.visit(endpoint, until, { init: { method: 'POST', headers, body: query }, looks })
      : browser.visit(`${endpoint}${mark}${query}`, until, { looks })
  const { url, posted, page, status } = await inTurn(visit)
  if (page !== undefined) return { page, status, url }
  const answer = Object.fromEntries(posted ? posted.fields : url.searchParams)
  return { answer, posted, url }
}

// The answer, which came where it belongs: in the query, or in a form that the browser posts.
export function back(trial, got) {
  must(got.answer, `the person is not sent back but sees a page (${got.status}): ${text(got.page)}`)
  const { posted, url } = got
  same(Boolean(posted), Boolean(trial.formPost), 'whether the answer is a form')
  if (posted) {
    same(posted.method.toLowerCase(), 'post', 'the method of the form')
    must(!posted.action.searchParams.has('code') && !posted.action.searchParams.has('error'), 'code or error stand in the URL too')
  } else {
    must(!/(^|[#&])(code|error)=/.test(url.hash), `the answer stands in the fragment: ${url.hash}`)
  }
  return got.answer
}

// What a page says, without its tags.
export const text = (page = '') =>
  page.replace(/<(style|head)[\s\S]*?<\/\1>/g, ' ').replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ').trim().slice(0, 300)

// The code of an answer without a fault.
export function codeOf(trial, asked, got) {
  const answer = back(trial, got)
  must(!answer.error, `${answer.error}: ${answer.error_description}`)
  same(answer.state, asked.state, 'state')
  checkIssuer(trial, answer)
  must(answer.code, 'there is no code')
  checkCode(trial, answer)
  return answer.code
}

// RFC 9207: there where it was announced, and right where it is.
export function checkIssuer(trial, answer) {
  const { issuer, authorization_response_iss_parameter_supported: announced } = trial.server.metadata
  if (announced || answer.iss !== undefined) same(answer.iss, issuer, 'iss')
}

// The answer of a request that is refused with one of `codes`.
export function refusedWith(trial, asked, got, codes) {
  const answer = back(trial, got)
  errorOfAuthorization(trial, answer)
  same(answer.state, asked.state, 'state')
  checkIssuer(trial, answer)
  must(codes.includes(answer.error), `the error is ${answer.error} (${answer.error_description}) and none of ${codes.join(', ')}`)
}

// A page that says that something is wrong: the person is not sent on.
export function errorPage(got) {
  must(got.page !== undefined, `the person is sent back: ${JSON.stringify(got.answer)}`)
  must(got.status >= 400 || /error|invalid|wrong|does not work/i.test(text(got.page)), `a page that shows no error (${got.status}): ${text(got.page)}`)
}

// Proves the client in `form` and `headers`; `audience` is what an assertion is for.
export function prove(client, audience, { change, header } = {}) {
  const { id, secret, method, certificate } = client
  if (method === 'client_secret_basic') {
    const plain = [id, secret].map((part) => encodeURIComponent(part).replaceAll('%20', '+')).join(':')
    return { form: {}, headers: { authorization: `Basic ${Buffer.from(plain).toString('base64')}` } }
  }
  if (method === 'client_secret_post') return { form: { client_id: id, client_secret: secret }, headers: {} }
  if (method === 'private_key_jwt') {
    const made = assertion(client, audience, change, header)
    const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
    return { form: { client_id: id, client_assertion_type: type, client_assertion: made }, headers: {} }
  }
  if (method === 'tls_client_auth') return { form: { client_id: id }, headers: {}, certificate }
  throw new Failure(`a method that nobody proves: ${method}`)
}

// Asks the token endpoint as the client.
export function askToken(trial, client, form, { audience, proving } = {}) {
  const endpoint = trial.server.endpoint('token_endpoint', client.certificate)
  const proven = prove(client, audience ?? trial.server.endpoint('token_endpoint'), proving)
  const { certificate } = client
  return ask(endpoint, { form: { ...form, ...proven.form }, headers: proven.headers, certificate })
}

export const codeForm = (client, code, extra = {}) => ({
  grant_type: 'authorization_code',
  code,
  redirect_uri: client.redirect,
  ...extra,
})

// Redeems a code and checks what comes.
export async function redeem(trial, client, asked, code, { extra, idToken } = {}) {
  const answer = await askToken(trial, client, codeForm(client, code, extra))
  const tokens = checkTokens(trial, answer)
  const known = await checkIdToken(trial, { client, token: tokens.id_token, asked, tokens, code, ...idToken })
  return { tokens, idToken: known, code }
}

// Everything from the request to the tokens and userinfo. `extra` is added to the request.
export async function login(trial, { client = clientOf(trial, 'basic'), browser = browserOf(trial), extra, post, redeeming } = {}) {
  const asked = request(trial, client, extra)
  const before = browser.seen.length
  const got = await authorize(trial, browser, asked, { post })
  const code = codeOf(trial, asked, got)
  const done = await redeem(trial, client, asked, code, redeeming)
  const seen = browser.seen.slice(before)
  await called(trial, done.tokens.access_token)
  return { ...done, client, browser, asked, seen }
}

// Userinfo, which answers the token.
export async function called(trial, token, { endpoint = trial.server.endpoint('userinfo_endpoint'), ...init } = {}) {
  const answer = await ask(endpoint, { headers: { authorization: `Bearer ${token}` }, ...init })
  same(answer.status, 200, 'the status of userinfo')
  return answer
}
