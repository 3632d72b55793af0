// Is a request taken where it is handed over, from its client only, and once? (RFC 9126, RFC 7636)

import { refused } from './checks.mjs'
import { byAssertion, code, granted, grantOf, login, prepare, push, pushed, redeem, tokens, visit } from './fapi.mjs'
import { pause, random, seconds } from './http.mjs'
import { codeOf, errorPage, refusedWith } from './oauth.mjs'
import { LeftOut, must, where } from './trial.mjs'

const CLIENT = ['invalid_client', 'invalid_request']

// A request whose client assertion is for somebody else, or for another time.
const assertion = (change, right = false) => where(byAssertion, async (trial) => {
  const flow = prepare(trial)
  const proving = { change: (claims) => ({ ...claims, ...change(trial) }) }
  if (right) return login(trial, flow, { pushing: { proving } })
  refused(trial, await push(trial, flow, { proving }), CLIENT, [400, 401])
})

const later = (ms) => ({ iat: seconds() + ms, nbf: seconds() + ms, exp: seconds() + ms + 60 })

// A name of a request that is no longer good, or for somebody else.
function refusedName(trial, flow, got, codes = ['invalid_request_uri', 'invalid_request', 'invalid_request_object']) {
  if (got.page !== undefined) return errorPage(got)
  const { state, ...answer } = got.answer
  // Nobody knows the state of a request that is not there.
  refusedWith(trial, { ...flow.asked, state: undefined }, { ...got, answer }, codes)
}

// PKCE that is missing or weak.
const weak = (extra) => async (trial) => {
  const flow = prepare(trial, trial.first, extra)
  const answer = await push(trial, flow)
  if (answer.status !== 201) return refused(trial, answer, ['invalid_request'])
  const got = await visit(trial, flow, answer.json.request_uri)
  if (got.page !== undefined) return errorPage(got)
  refusedWith(trial, flow.asked, got, ['invalid_request'])
}

const verifier = (value) => async (trial) => {
  const flow = prepare(trial)
  const made = await code(trial, flow)
  refused(trial, await redeem(trial, flow, grantOf(flow, made, { code_verifier: value() })), ['invalid_grant'])
}

export const pushing = {
  'par-ensure-reused-request-uri-prior-to-auth-completion-succeeds': async (trial) => {
    const flow = prepare(trial)
    const { request_uri: uri } = await pushed(trial, flow)
    const first = await visit(trial, flow, uri, { looks: true })
    must(first.page !== undefined, 'nobody had to log in')
    const got = await visit(trial, flow, uri)
    if (got.answer?.code) return granted(trial, await tokens(trial, flow, codeOf(trial, flow.asked, got)))
    trial.should(false, 'a request is gone when its page was looked at and nobody logged in')
    refusedName(trial, flow, got, ['invalid_request_uri', 'invalid_request'])
  },
  'par-attempt-reuse-request_uri': async (trial) => {
    const flow = prepare(trial)
    const { request_uri: uri } = await pushed(trial, flow)
    await granted(trial, await tokens(trial, flow, codeOf(trial, flow.asked, await visit(trial, flow, uri))))
    const got = await visit(trial, flow, uri)
    if (got.answer?.code) return trial.should(false, 'a request is good twice')
    refusedName(trial, flow, got, ['invalid_request_uri', 'invalid_request'])
  },
  'par-attempt-to-use-expired-request_uri': async (trial) => {
    const flow = prepare(trial)
    const { request_uri: uri, expires_in: life } = await pushed(trial, flow)
    if (life > 1800) throw new LeftOut(`a request lives ${life} seconds`)
    await pause((life + 1) * 1000)
    refusedName(trial, flow, await visit(trial, flow, uri), ['invalid_request_uri', 'invalid_request'])
  },
  'par-ensure-jwt-client-assertions-nbf-8-seconds-in-the-future-is-accepted': assertion(() => later(8), true),
  'par-ensure-jwt-client-assertions-nbf-over-60-seconds-in-the-future-fails': assertion(() => later(70)),
  'par-attempt-to-use-request_uri-for-different-client': async (trial) => {
    const flow = prepare(trial)
    const { request_uri: uri } = await pushed(trial, flow)
    refusedName(trial, flow, await visit(trial, flow, uri, { as: trial.second }))
  },
  'par-authorization-request-containing-request_uri-form-param': async (trial) => {
    const more = { request_uri: `urn:ietf:params:oauth:request_uri:${random()}` }
    refused(trial, await push(trial, prepare(trial), { more }), ['invalid_request', 'invalid_request_object', 'request_uri_not_supported'])
  },
  'par-attempt-invalid-http-method': async (trial) => {
    const { status } = await push(trial, prepare(trial), { method: 'PUT' })
    must([404, 405].includes(status), `PUT is answered ${status}`)
    trial.should(status === 405, 'PUT is not answered 405')
  },
  'par-ensure-pkce-required': weak({ code_challenge: undefined, code_challenge_method: undefined }),
  'ensure-pkce-code-verifier-required': verifier(() => undefined),
  'incorrect-pkce-code-verifier-rejected': verifier(() => random(32)),
  'par-plain-pkce-rejected': weak({ code_challenge: random(32), code_challenge_method: 'plain' }),
  'par-without-duplicate-parameters': async (trial) => {
    await login(trial)
  },
  'par-test-array-as-audience-fails': assertion(({ server }) => ({ aud: [server.metadata.issuer, 'https://other.example/'] })),
  'par-test-par-endpoint-url-as-audience-fails': assertion(({ server }) => ({ aud: server.endpoint('pushed_authorization_request_endpoint') })),
  'par-test-token-endpoint-url-as-audience-fails': assertion(({ server }) => ({ aud: server.endpoint('token_endpoint') })),
}
