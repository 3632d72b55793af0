// Does the server do what every OpenID Provider has to? (the suite's plan `basic`, and `formpost`)

import { refused } from './checks.mjs'
import { ask, pause, random } from './http.mjs'
import { config } from './discovery.mjs'
import { askToken, authorize, browserOf, called, clientOf, codeForm, codeOf, errorPage, login, redeem, refusedWith, request } from './oauth.mjs'
import { refreshed } from './refresh.mjs'
import { unsignedByReference, unsignedObject } from './objects.mjs'
import { registered } from './registration.mjs'
import { LeftOut, must, same } from './trial.mjs'
import { checkClaims, checkScopes, checkUserinfo } from './userinfo.mjs'

// What prompt=none answers when somebody has to do something.
export const NEEDS_PERSON = ['interaction_required', 'login_required', 'account_selection_required', 'consent_required']

// A login with more in its request than usual, which changes nothing.
const succeeds = (extra) => async (trial) => {
  await login(trial, { extra })
}

async function noName(trial, { idToken }) {
  trial.should(idToken.claims.name === undefined, 'the ID token has the name, which was not asked for')
}

// The claims of userinfo, asked for in one of three ways.
const userinfo = (how) => async (trial) => {
  const { tokens, idToken } = await login(trial)
  checkUserinfo(trial, await called(trial, tokens.access_token, how(tokens.access_token)), idToken)
}

const scopes = (...names) => async (trial) => {
  const { scopes_supported: supported } = trial.server.metadata
  if (supported && !names.every((name) => supported.includes(name))) throw new LeftOut(`scopes_supported lacks one of ${names}`)
  const { tokens, idToken } = await login(trial, { extra: { scope: ['openid', ...names].join(' ') } })
  checkScopes(trial, checkUserinfo(trial, await called(trial, tokens.access_token), idToken), names)
}

// Two logins in one browser; `first` and `second` are added to their requests.
async function twice(trial, { first, second, wait = 0 }) {
  const one = await login(trial, { extra: first })
  await pause(wait)
  const extra = typeof second === 'function' ? second(one) : second
  const two = await login(trial, { client: one.client, browser: one.browser, extra })
  return { one, two }
}

const sameLogin = (options) => async (trial) => {
  const { one, two } = await twice(trial, options)
  same(two.idToken.claims.sub, one.idToken.claims.sub, 'sub of the second login')
  const [before, after] = [one, two].map(({ idToken }) => idToken.claims.auth_time)
  if (options.timed) must(before && after, 'auth_time is missing, though max_age was asked for')
  if (before !== undefined && after !== undefined) same(after, before, 'auth_time of the second login')
  must(!two.seen.includes('login'), 'the person had to log in again')
}

const loginAgain = (options) => async (trial) => {
  const { one, two } = await twice(trial, options)
  must(two.seen.includes('login'), 'the person was not asked to log in again')
  const [before, after] = [one, two].map(({ idToken }) => idToken.claims.auth_time)
  if (options.timed) must(after, 'auth_time is missing, though max_age was asked for')
  if (before !== undefined && after !== undefined) must(after > before, `auth_time was ${before} and is ${after}`)
}

const codeReuse = (wait) => async (trial) => {
  const { client, code, tokens } = await login(trial)
  await pause(wait)
  const answer = await askToken(trial, client, codeForm(client, code))
  if (!wait && answer.status === 200) {
    trial.should(false, 'a code is good twice')
    return
  }
  refused(trial, answer, ['invalid_grant'])
  if (!wait) return
  const endpoint = trial.server.endpoint('userinfo_endpoint')
  const again = await ask(endpoint, { headers: { authorization: `Bearer ${tokens.access_token}` } })
  trial.should(again.status >= 400, 'the access token lives on after its code was used twice')
}

export const basic = {
  'oidcc-server': async (trial) => noName(trial, await login(trial)),
  'oidcc-response-type-missing': async (trial) => {
    const asked = request(trial, clientOf(trial, 'basic'), { response_type: undefined, response_mode: undefined })
    const got = await authorize(trial, browserOf(trial), asked)
    if (got.page !== undefined) return errorPage(got)
    trial.formPost = false
    refusedWith(trial, asked, got, ['invalid_request', 'unsupported_response_type'])
  },
  'oidcc-idtoken-signature': async (trial) => {
    const { idToken } = await login(trial, { client: await registered(trial), redeeming: { idToken: { algorithm: 'RS256' } } })
    must(idToken.header.kid, 'the ID token has no kid')
  },
  'oidcc-idtoken-unsigned': async (trial) => {
    if (!trial.server.lists('id_token_signing_alg_values_supported', 'none')) throw new LeftOut('no unsigned ID tokens here, which is right')
    const client = await registered(trial, { id_token_signed_response_alg: 'none' })
    await login(trial, { client, redeeming: { idToken: { algorithm: 'none' } } })
  },
  'oidcc-userinfo-get': userinfo(() => ({})),
  'oidcc-userinfo-post-header': userinfo(() => ({ method: 'POST' })),
  'oidcc-userinfo-post-body': userinfo((token) => ({ headers: {}, form: { access_token: token } })),
  'oidcc-ensure-request-without-nonce-succeeds-for-code-flow': succeeds({ nonce: undefined }),
  'oidcc-scope-profile': scopes('profile'),
  'oidcc-scope-email': scopes('email'),
  'oidcc-scope-address': scopes('address'),
  'oidcc-scope-phone': scopes('phone'),
  'oidcc-scope-all': scopes('address', 'email', 'phone', 'profile'),
  'oidcc-ensure-other-scope-order-succeeds': async (trial) => {
    const { tokens, idToken } = await login(trial, { extra: { scope: 'email openid' } })
    checkScopes(trial, checkUserinfo(trial, await called(trial, tokens.access_token), idToken), ['email'])
  },
  'oidcc-display-page': succeeds({ display: 'page' }),
  'oidcc-display-popup': succeeds({ display: 'popup' }),
  'oidcc-prompt-login': loginAgain({ second: { prompt: 'login' }, wait: 1100 }),
  'oidcc-prompt-none-not-logged-in': async (trial) => {
    const asked = request(trial, clientOf(trial, 'basic'), { prompt: 'none', state: random(96) })
    refusedWith(trial, asked, await authorize(trial, browserOf(trial), asked), NEEDS_PERSON)
  },
  'oidcc-prompt-none-logged-in': sameLogin({ second: { prompt: 'none' } }),
  'oidcc-max-age-1': loginAgain({ second: { max_age: '1' }, wait: 2100, timed: true }),
  'oidcc-max-age-10000': sameLogin({ first: { max_age: '15000' }, second: { max_age: '10000' }, timed: true }),
  'oidcc-ensure-request-with-unknown-parameter-succeeds': succeeds({ extra: 'foobar' }),
  'oidcc-id-token-hint': sameLogin({ second: ({ tokens }) => ({ prompt: 'none', id_token_hint: tokens.id_token }) }),
  'oidcc-login-hint': async (trial) => succeeds({ login_hint: trial.person.name })(trial),
  'oidcc-ui-locales': succeeds({ ui_locales: 'se' }),
  'oidcc-claims-locales': succeeds({ claims_locales: 'se' }),
  'oidcc-ensure-request-with-acr-values-succeeds': async (trial) => {
    const values = trial.server.metadata.acr_values_supported ?? ['1', '2']
    const { idToken } = await login(trial, { extra: { acr_values: values.join(' ') } })
    trial.should(values.includes(idToken.claims.acr), `acr is ${idToken.claims.acr}, asked for was one of ${values}`)
  },
  'oidcc-codereuse': codeReuse(0),
  'oidcc-codereuse-30seconds': codeReuse(30_000),
  'oidcc-ensure-registered-redirect-uri': async (trial) => {
    const client = clientOf(trial, 'basic')
    const asked = request(trial, client, { redirect_uri: `${client.redirect}/${random()}` })
    errorPage(await authorize(trial, browserOf(trial), asked, { until: client.redirect }))
  },
  'oidcc-ensure-post-request-succeeds': async (trial) => {
    await login(trial, { post: true })
  },
  'oidcc-server-client-secret-post': async (trial) => {
    must(trial.server.lists('token_endpoint_auth_methods_supported', 'client_secret_post'), 'client_secret_post is not announced')
    noName(trial, await login(trial, { client: clientOf(trial, 'post') }))
  },
  'oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported': unsignedByReference({ mayRefuse: true }),
  'oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported': unsignedObject(),
  'oidcc-claims-essential': async (trial) => {
    const claims = JSON.stringify({ userinfo: { name: { essential: true } } })
    const { tokens, idToken } = await login(trial, { extra: { claims } })
    const told = checkUserinfo(trial, await called(trial, tokens.access_token), idToken)
    checkClaims(trial, told, idToken)
    trial.should(told.name, 'userinfo has no name, which was asked for as essential')
    noName(trial, { idToken })
  },
  'oidcc-ensure-request-object-with-redirect-uri': unsignedObject({ beside: ({ redirect }) => ({ redirect_uri: `${redirect}/${random()}` }) }),
  'oidcc-refresh-token': async (trial) => refreshed(trial, clientOf(trial, 'basic'), clientOf(trial, 'second')),
  'oidcc-ensure-request-with-valid-pkce-succeeds': async (trial) => {
    const client = clientOf(trial, 'basic')
    const { verifier, challenge } = trial.pkce()
    const asked = request(trial, client, challenge)
    const code = codeOf(trial, asked, await authorize(trial, browserOf(trial), asked))
    await redeem(trial, client, asked, code, { extra: { code_verifier: verifier } })
  },
}

export { config }
