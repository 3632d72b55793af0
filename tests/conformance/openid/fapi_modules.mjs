// Does the server keep the FAPI 2.0 Security Profile? (the suite's plan `fapi2-security-profile-final`, for
// plain FAPI with OpenID Connect)

import { refused } from './checks.mjs'
import { address, listed } from './discovery.mjs'
import { dpop } from './fapi_dpop.mjs'
import { pushing } from './fapi_par.mjs'
import { byAssertion, code, granted, grantOf, login, prepare, push, pushed, redeem, resource, tokens, visit } from './fapi.mjs'
import { ask, pause, random, seconds } from './http.mjs'
import { authorize, browserOf, errorPage, refusedWith } from './oauth.mjs'
import { OFFLINE, tokenOf } from './refresh.mjs'
import { checkTls } from './tls.mjs'
import { LeftOut, must, same, where } from './trial.mjs'
import { checkUserinfo } from './userinfo.mjs'

// A login that goes well with more, or less, in its request.
const succeeds = (extra) => async (trial) => {
  await login(trial, prepare(trial, trial.first, typeof extra === 'function' ? extra() : extra))
}

// The request is refused where it is handed over, or on a page, or at the client.
const refusedRequest = (extra, codes, statuses = [400]) => async (trial) => {
  const flow = prepare(trial, trial.first, extra)
  const answer = await push(trial, flow)
  if (answer.status !== 201) return refused(trial, answer, codes, statuses)
  const got = await visit(trial, flow, answer.json.request_uri)
  if (got.page !== undefined) return errorPage(got)
  refusedWith(trial, flow.asked, got, codes)
}

// The token endpoint refuses a code of the first client.
const refusedCode = (how, codes, statuses = [400]) => async (trial) => {
  const flow = prepare(trial)
  const made = await code(trial, flow)
  refused(trial, await how(trial, flow, made), codes, statuses)
}

const WRONG_CLIENT = ['invalid_client', 'invalid_request']

// A client assertion at the token endpoint that does not hold.
const wrongAssertion = (proving, codes = WRONG_CLIENT) =>
  where(byAssertion, refusedCode((trial, flow, made) => redeem(trial, flow, grantOf(flow, made), { proving }), codes, [400, 401]))

// Nothing proves the client.
const nothing = (flow) => ({ form: { client_id: flow.client.id }, headers: {} })

// Two clients, each with a login; the key or certificate of one is of no use with the token of the other.
async function twoClients(trial, changes = [{}, {}]) {
  const done = []
  for (const [index, client] of [trial.first, trial.second].entries()) {
    done.push(await login(trial, prepare(trial, client, changes[index])))
  }
  const [first, second] = done
  const stolen = await resource(trial, first, second.tokens.access_token)
  must(stolen.status >= 400 && stolen.status < 500, `the token of another client is good: ${stolen.status}`)
  return done
}

const NAME = (name) => `fapi2-security-profile-final-${name}`

const modules = {
  'discovery-end-point-verification': async (trial) => {
    const { server } = trial
    same(server.discovery.status, 200, 'the status')
    must(/^application\/json\b/.test(server.discovery.type), `the type is ${server.discovery.type}`)
    listed(server, 'response_types_supported', 'code')
    same(server.metadata.authorization_response_iss_parameter_supported, true, 'authorization_response_iss_parameter_supported')
    same(server.metadata.issuer, trial.issuer, 'issuer')
    const endpoints = ['pushed_authorization_request_endpoint', 'authorization_endpoint', 'token_endpoint', 'jwks_uri']
    for (const name of endpoints) address(server, name)
    const one = (name, ...wanted) => {
      listed(server, name)
      must(wanted.some((value) => server.lists(name, value)), `${name} has none of ${wanted}`)
    }
    const good = ['PS256', 'ES256', 'EdDSA', 'Ed25519']
    if (trial.dpop) one('dpop_signing_alg_values_supported', ...good)
    else same(server.metadata.tls_client_certificate_bound_access_tokens, true, 'tls_client_certificate_bound_access_tokens')
    one('id_token_signing_alg_values_supported', ...good)
    one('token_endpoint_auth_methods_supported', 'private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth')
    listed(server, 'token_endpoint_auth_methods_supported', trial.first.method)
    one('token_endpoint_auth_signing_alg_values_supported', ...good)
    if (server.metadata.userinfo_signing_alg_values_supported) one('userinfo_signing_alg_values_supported', ...good, 'RS256')
    listed(server, 'code_challenge_methods_supported', 'S256')
    const required = server.metadata.require_pushed_authorization_requests
    must(required === undefined || typeof required === 'boolean', `require_pushed_authorization_requests is ${required}`)
    listed(server, 'scopes_supported', 'openid')
    listed(server, 'subject_types_supported')
  },
  'happy-flow': async (trial) => {
    await checkTls(trial, trial.server.endpoint('userinfo_endpoint'))
    const [first] = await twoClients(trial, [{}, { nonce: random(32), state: random(96) }])
    for (const accept of ['application/json; charset=utf-8', 'application/json;q=0.9, */*;q=0.5']) {
      await granted(trial, first, { headers: { accept } })
    }
    const { access_token: token } = first.tokens
    const address = new URL(trial.server.endpoint('userinfo_endpoint', trial.dpop ? undefined : first.client.certificate))
    const inQuery = await ask(`${address}?access_token=${encodeURIComponent(token)}`, { certificate: trial.dpop ? undefined : first.client.certificate })
    must(inQuery.status >= 400, 'a token in the query is taken')
  },
  'user-rejects-authentication': async (trial) => {
    for (const client of [trial.first, trial.second]) {
      const flow = { ...prepare(trial, client, { state: random(96), prompt: 'consent' }), browser: browserOf(trial, { refuses: true }) }
      const { request_uri: uri } = await pushed(trial, flow)
      refusedWith(trial, flow.asked, await visit(trial, flow, uri), ['access_denied'])
    }
  },
  'ensure-authorization-request-without-state-success': succeeds({ state: undefined }),
  'ensure-authorization-request-without-nonce-success': succeeds({ nonce: undefined }),
  'ensure-authorization-request-with-64-char-nonce-success': succeeds(() => ({ nonce: random(48) })),
  'ensure-other-scope-order-succeeds': succeeds({ scope: 'email openid' }),
  'test-claims-parameter-identity-claims': async (trial) => {
    if (trial.server.metadata.claims_parameter_supported !== true) throw new LeftOut('the claims parameter is not announced')
    const standard = Object.keys(trial.person.claims).filter((name) => trial.server.lists('claims_supported', name))
    const wish = Object.fromEntries(standard.map((name, index) => [name, [null, { essential: true }, {}][index % 3]]))
    const claims = JSON.stringify({ id_token: { ...wish, [random(6)]: null }, userinfo: { ...wish, [random(6)]: { essential: false } } })
    const flow = await login(trial, prepare(trial, trial.first, { claims }))
    const told = checkUserinfo(trial, await granted(trial, flow), flow.idToken)
    const missing = standard.filter((name) => told[name] === undefined && flow.idToken.claims[name] === undefined)
    trial.should(missing.length === 0, `neither userinfo nor the ID token has ${missing.join(', ')}`)
  },
  'access-token-type-header-case-sensitivity': async (trial) => {
    const flow = await login(trial)
    await granted(trial, flow, { scheme: trial.dpop ? 'dPOp' : 'bEARER' })
  },
  'ensure-different-nonce-inside-and-outside-request-object': async (trial) => {
    await outside(trial, { nonce: random() })
  },
  'ensure-different-state-inside-and-outside-request-object': async (trial) => {
    await outside(trial, { state: random() })
  },
  'ensure-authorization-request-with-long-nonce': async (trial) => {
    await longOrRefused(trial, { nonce: random(288) })
  },
  'ensure-authorization-request-with-long-state': async (trial) => {
    await longOrRefused(trial, { state: random(750) })
  },
  'state-only-outside-request-object-not-used': async (trial) => {
    await outside(trial, { state: random() }, { state: undefined })
  },
  'ensure-request-object-without-redirect-uri-fails': refusedRequest({ redirect_uri: undefined }, ['invalid_request', 'invalid_request_object']),
  'plain-fapi-tolerate-unregistered-redirect-uri': async (trial) => {
    const client = { ...trial.first, redirect: `${trial.first.redirect}/${random()}` }
    const flow = prepare(trial, client)
    const answer = await push(trial, flow)
    if (answer.status !== 201) return refused(trial, answer, ['invalid_request', 'invalid_request_object', 'invalid_redirect_uri'])
    const got = await visit(trial, flow, answer.json.request_uri)
    if (got.page !== undefined) return errorPage(got)
    must(got.answer.code, 'an address that was tolerated gets no code')
  },
  'ensure-unsigned-authorization-request-without-using-par-fails': async (trial) => {
    const { asked, browser } = prepare(trial)
    const got = await authorize(trial, browser, asked)
    if (got.page !== undefined) return errorPage(got)
    refusedWith(trial, asked, got, ['invalid_request'])
  },
  'ensure-redirect-uri-in-authorization-request': refusedRequest({ redirect_uri: undefined }, ['invalid_request', 'invalid_request_object']),
  'ensure-response-type-code-idtoken-fails': refusedRequest({ response_type: 'code id_token' }, ['unsupported_response_type', 'invalid_request', 'unauthorized_client']),
  'ensure-response-type-token-fails': refusedRequest({ response_type: 'token' }, ['unsupported_response_type', 'invalid_request', 'unauthorized_client']),
  'ensure-client-id-in-token-endpoint': refusedCode(
    (trial, flow, made) => {
      // Under the name of the second client, with what proves the first.
      const { id, redirect } = trial.second
      return redeem(trial, flow, grantOf(flow, made), { as: { ...flow.client, id, redirect } })
    },
    ['invalid_client', 'invalid_grant'],
    [400, 401],
  ),
  'ensure-holder-of-key-required': async (trial) => {
    for (const name of ['authorization_endpoint', 'userinfo_endpoint', 'token_endpoint', 'registration_endpoint']) {
      if (trial.server.metadata[name]) await checkTls(trial, trial.server.endpoint(name), { lax: name === 'authorization_endpoint' })
    }
    const codes = trial.dpop ? ['invalid_request', 'invalid_grant', 'invalid_dpop_proof'] : ['invalid_request', 'invalid_grant', 'invalid_client']
    await refusedCode((t, flow, made) => redeem(t, flow, grantOf(flow, made), { bare: true }), codes, [400, 401])(trial)
  },
  'ensure-authorization-code-is-bound-to-client': refusedCode(
    (trial, flow, made) => redeem(trial, flow, grantOf(flow, made), { as: trial.second }),
    ['invalid_grant'],
  ),
  'attempt-reuse-authorization-code-after-one-second': async (trial) => {
    const flow = await login(trial)
    await pause(1000)
    refused(trial, await redeem(trial, flow, grantOf(flow, flow.code)), ['invalid_grant'])
    const again = await resource(trial, flow, flow.tokens.access_token)
    trial.should(again.status >= 400 && again.status < 500, 'the access token lives on after its code was used twice')
  },
  'ensure-token-endpoint-fails-with-expired-auth-code': refusedCode(async (trial, flow, made) => {
    await pause(62_000)
    return redeem(trial, flow, grantOf(flow, made))
  }, ['invalid_grant']),
  'ensure-signed-client-assertion-with-RS256-fails': wrongAssertion({ header: { alg: 'RS256' } }, ['invalid_client']),
  'ensure-client-assertion-in-token-endpoint': where(
    byAssertion,
    refusedCode((trial, flow, made) => redeem(trial, flow, grantOf(flow, made), { made: nothing(flow) }), WRONG_CLIENT, [400, 401]),
  ),
  'ensure-client-assertion-with-exp-is-5-minutes-in-past-fails': wrongAssertion({
    change: (claims) => ({ ...claims, iat: seconds() - 360, exp: seconds() - 300 }),
  }),
  'ensure-client-assertion-with-wrong-aud-fails': wrongAssertion({ change: (claims) => ({ ...claims, aud: 'https://other.example/' }) }),
  'ensure-client-assertion-with-no-sub-fails': wrongAssertion({ change: ({ sub, ...claims }) => claims }),
  'refresh-token': async (trial) => {
    const extra = trial.server.lists('scopes_supported', 'offline_access') ? OFFLINE : {}
    const done = []
    for (const client of [trial.first, trial.second]) {
      let flow = await login(trial, prepare(trial, client, extra))
      tokenOf(trial, flow)
      const former = flow.tokens.refresh_token
      flow = await refresh(trial, flow, former)
      if (flow.tokens.refresh_token !== former) await refresh(trial, flow, former, 30_000)
      if (client === trial.first) {
        const bare = await redeem(trial, flow, { grant_type: 'refresh_token', refresh_token: flow.tokens.refresh_token }, { bare: true })
        refused(trial, bare, ['invalid_client', 'invalid_grant', 'invalid_request', 'invalid_dpop_proof'], [400, 401])
      }
      done.push(flow)
    }
    const [first, second] = done
    const stolen = await redeem(trial, first, { grant_type: 'refresh_token', refresh_token: second.tokens.refresh_token })
    refused(trial, stolen, ['invalid_grant'])
  },
}

// A refresh with a new key, where keys are shown: the client proves who it is in another way.
async function refresh(trial, flow, token, ms = 1000) {
  await pause(ms)
  const fresh = trial.dpop ? prepare(trial, flow.client).key : flow.key
  const answer = await redeem(trial, flow, { grant_type: 'refresh_token', refresh_token: token }, { key: fresh })
  same(answer.status, 200, `(${answer.text}) the status of the refresh`)
  same(answer.json.token_type?.toLowerCase(), trial.dpop ? 'dpop' : 'bearer', 'token_type')
  must(/no-store/.test(answer.headers['cache-control'] ?? ''), 'cache-control is not no-store')
  const next = { ...flow, key: fresh, tokens: { ...flow.tokens, ...answer.json } }
  await granted(trial, next)
  return next
}

// Whatever stands beside the name of a pushed request does not count; it may also be refused.
async function outside(trial, beside, extra = {}) {
  const flow = prepare(trial, trial.first, extra)
  const { request_uri: uri } = await pushed(trial, flow)
  const got = await visit(trial, flow, uri, { beside })
  if (got.page !== undefined) return errorPage(got)
  if (got.answer.error) return refusedWith(trial, flow.asked, got, ['invalid_request', 'invalid_request_object', 'access_denied'])
  same(got.answer.state, flow.asked.state, 'state')
  await granted(trial, await tokens(trial, flow, got.answer.code))
}

// A value is kept as it is, or the request is refused.
async function longOrRefused(trial, extra) {
  const flow = prepare(trial, trial.first, extra)
  const answer = await push(trial, flow)
  if (answer.status !== 201) return refused(trial, answer, ['invalid_request'])
  const got = await visit(trial, flow, answer.json.request_uri)
  if (got.page !== undefined) return errorPage(got)
  if (got.answer.error) return refusedWith(trial, flow.asked, got, ['invalid_request'])
  same(got.answer.state, flow.asked.state, 'state')
  await granted(trial, await tokens(trial, flow, got.answer.code))
}

const named = (all) => Object.entries(all).map(([name, module]) => [NAME(name), module])

export const fapi = Object.fromEntries([modules, dpop, pushing].flatMap(named))
