// Does a login end when an application says so, and hear others of it? (the suite's plans for RP-initiated
// and for back-channel logout)

import { NEEDS_PERSON } from './basic.mjs'
import { keyOf } from './checks.mjs'
import { address, allHttps } from './discovery.mjs'
import { inTurn, random, seconds } from './http.mjs'
import { holds, parts, signed } from './jwt.mjs'
import { authorize, clientOf, login, refusedWith, request, text } from './oauth.mjs'
import { registered } from './registration.mjs'
import { must, same } from './trial.mjs'

// Whatever begins so is an address of the application.
const APPLICATION = 'https://app.example/'

// Goes to the logout page, says yes where that is asked, and answers where it ended.
async function logOut(trial, { browser, tokens }, change = {}) {
  const asked = { id_token_hint: tokens.id_token, post_logout_redirect_uri: trial.afterLogout, state: random(96), ...change }
  const given = Object.entries(asked).filter(([, value]) => value !== undefined)
  const endpoint = trial.server.endpoint('end_session_endpoint')
  const got = await inTurn(() => browser.visit(`${endpoint}?${new URLSearchParams(given)}`, APPLICATION))
  return { asked, got }
}

// Nobody is logged in any more.
async function isOut(trial, { client, browser }) {
  const asked = request(trial, client, { prompt: 'none', state: random(96) })
  refusedWith(trial, asked, await authorize(trial, browser, asked), NEEDS_PERSON)
}

// The person came back, with `state` as it was.
function came(trial, { asked, got }) {
  must(got.page === undefined, `the person is not sent back but sees a page (${got.status}): ${text(got.page)}`)
  const { searchParams } = got.url
  same(`${got.url.origin}${got.url.pathname}`, trial.afterLogout, 'where the person is sent to')
  same(searchParams.get('state') ?? undefined, asked.state, 'state')
  const others = [...searchParams.keys()].filter((name) => name !== 'state')
  trial.should(others.length === 0, `unexpected parameters: ${others}`)
}

const success = (change) => async (trial) => {
  const done = await login(trial, { client: clientOf(trial, 'basic') })
  came(trial, await logOut(trial, done, change))
  await isOut(trial, done)
}

// The person stays, and is logged out on the server's own page.
const here = (change) => async (trial) => {
  const done = await login(trial, { client: clientOf(trial, 'basic') })
  const { got } = await logOut(trial, done, change)
  must(got.page !== undefined, `the person is sent to ${got.url}`)
  same(got.status, 200, `(${text(got.page)}) the status of the last page`)
  await isOut(trial, done)
}

// The person stays: there is an error, or the server asks before it logs out.
const nowhere = (change) => async (trial) => {
  const done = await login(trial, { client: clientOf(trial, 'basic') })
  const before = done.browser.seen.length
  const { got } = await logOut(trial, done, typeof change === 'function' ? change(done) : change)
  must(got.page !== undefined, `the person is sent to ${got.url}`)
  must(got.status >= 400 || done.browser.seen.length > before, `neither an error nor a question (${got.status}): ${text(got.page)}`)
}

// The same claims without a signature.
const unsigned = ({ tokens }) => ({ id_token_hint: signed({ alg: 'none' }, parts(tokens.id_token, 'the ID token').claims) })

// An ID token that somebody else has signed.
const foreign = (trial) => ({ client, idToken }) => ({
  id_token_hint: signed({ alg: 'RS256', kid: trial.rsa.kid }, { ...idToken.claims, aud: client.id, sub: random() }, trial.rsa),
})

export const logout = {
  'oidcc-rp-initiated-logout-discovery-endpoint-verification': async ({ server }) => {
    allHttps(server)
    address(server, 'end_session_endpoint')
  },
  'oidcc-rp-initiated-logout': success(),
  'oidcc-rp-initiated-logout-bad-post-logout-redirect-uri': nowhere({ post_logout_redirect_uri: `${APPLICATION}${random()}` }),
  'oidcc-rp-initiated-logout-modified-id-token-hint': nowhere(unsigned),
  'oidcc-rp-initiated-logout-no-id-token-hint': nowhere({ id_token_hint: undefined }),
  'oidcc-rp-initiated-logout-no-params': here({ id_token_hint: undefined, post_logout_redirect_uri: undefined, state: undefined }),
  'oidcc-rp-initiated-logout-no-post-logout-redirect-uri': here({ post_logout_redirect_uri: undefined }),
  'oidcc-rp-initiated-logout-no-state': success({ state: undefined }),
  'oidcc-rp-initiated-logout-only-state': here({ id_token_hint: undefined, post_logout_redirect_uri: undefined }),
  'oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri': async (trial) =>
    nowhere({ post_logout_redirect_uri: `${trial.afterLogout}?foo=bar` })(trial),
  'oidcc-rp-initiated-logout-bad-id-token-hint': async (trial) => nowhere(foreign(trial))(trial),
}

export const frontchannel = {
  'oidcc-frontchannel-logout-discovery-endpoint-verification': async ({ server }) => {
    allHttps(server)
    for (const name of ['frontchannel_logout_supported', 'frontchannel_logout_session_supported']) same(server.metadata[name], true, name)
    address(server, 'end_session_endpoint')
  },
  'oidcc-frontchannel-rp-initiated-logout': async (trial) => {
    // It has the origin of a redirect_uri (OpenID Connect Front-Channel Logout section 2).
    const notice = new URL(`/${random()}`, trial.redirect).href
    const about = { frontchannel_logout_uri: notice, frontchannel_logout_session_required: true }
    const client = await registered(trial, { ...about, post_logout_redirect_uris: [trial.afterLogout] })
    const done = await login(trial, { client })
    const answer = await logOut(trial, done)
    const loaded = done.browser.frames.find((frame) => `${frame.origin}${frame.pathname}` === notice)
    must(loaded, 'no page lets the browser load frontchannel_logout_uri')
    const { iss, sid, ...others } = Object.fromEntries(loaded.searchParams)
    same(iss, trial.server.metadata.issuer, 'iss')
    same(sid, done.idToken.claims.sid, 'sid')
    trial.should(Object.keys(others).length === 0, `unexpected parameters: ${Object.keys(others)}`)
    came(trial, answer)
    await isOut(trial, done)
  },
}

// A logout token (OpenID Connect Back-Channel Logout section 2.4).
async function checkLogoutToken(trial, { client, idToken }, { type, text: body }) {
  must(/^application\/x-www-form-urlencoded\b/.test(type ?? ''), `a notice of the type ${type}`)
  const form = new URLSearchParams(body)
  trial.should([...form.keys()].every((name) => name === 'logout_token'), `unexpected parameters: ${[...form.keys()]}`)
  const read = parts(form.get('logout_token'), 'the logout token')
  const { header, claims } = read
  must(header.alg !== 'none' && holds(read, await keyOf(trial, read)), 'the signature of the logout token does not hold')
  const { iss, aud, iat, exp, jti, events, sub, sid } = claims
  same(iss, trial.server.metadata.issuer, 'iss')
  must([aud].flat().includes(client.id), `aud is ${JSON.stringify(aud)}`)
  const now = seconds()
  must(Number.isFinite(iat) && Math.abs(now - iat) < 300, `iat is ${iat}`)
  trial.should(Number.isFinite(exp), 'the logout token has no exp')
  must(exp === undefined || exp > now - 300, `exp is ${exp}`)
  must(typeof jti === 'string' && jti, 'jti is missing')
  const event = events?.['http://schemas.openid.net/event/backchannel-logout']
  must(event && typeof event === 'object', `events is ${JSON.stringify(events)}`)
  must(claims.nonce === undefined, 'the logout token has a nonce')
  must(sub !== undefined || sid !== undefined, 'the logout token has neither sub nor sid')
  if (sub !== undefined) same(sub, idToken.claims.sub, 'sub')
  if (sid !== undefined) same(sid, idToken.claims.sid, 'sid')
}

export const backchannel = {
  'oidcc-backchannel-logout-discovery-endpoint-verification': async ({ server }) => {
    allHttps(server)
    for (const name of ['backchannel_logout_supported', 'backchannel_logout_session_supported']) same(server.metadata[name], true, name)
    address(server, 'end_session_endpoint')
  },
  'oidcc-backchannel-rp-initiated-logout': async (trial) => {
    const notice = trial.site.address(`/${random()}`)
    const about = { backchannel_logout_uri: notice, backchannel_logout_session_required: true }
    const client = await registered(trial, { ...about, post_logout_redirect_uris: [trial.afterLogout] })
    const done = await login(trial, { client })
    const [posted, answer] = await Promise.all([trial.site.posted(notice), logOut(trial, done)])
    await checkLogoutToken(trial, done, posted)
    came(trial, answer)
    await isOut(trial, done)
  },
}
