// Does the server get along with clients that register themselves? (the suite's plan `dynamic`)

import { basic } from './basic.mjs'
import { checkKeys, keyOf, refused } from './checks.mjs'
import { dynamic as discovery } from './discovery.mjs'
import { pause, random } from './http.mjs'
import { holds, parts, publicHalf } from './jwt.mjs'
import { signedByReference, unsignedByReference, unsignedObject } from './objects.mjs'
import { askToken, authorize, browserOf, called, codeForm, codeOf, errorPage, login, refusedWith, request } from './oauth.mjs'
import { OFFLINE, refresh, refreshed } from './refresh.mjs'
import { newKey, notRegistered, registered } from './registration.mjs'
import { LeftOut, must, same } from './trial.mjs'
import { checkClaims } from './userinfo.mjs'

// What a login page shows of the client.
const shows = (field, path) => async (trial) => {
  const uri = trial.site.address(path)
  const client = await registered(trial, { [field]: uri })
  same(client.answer[field], uri, field)
  const asked = request(trial, client)
  const got = await authorize(trial, browserOf(trial), asked, { looks: true })
  must(got.page?.includes(uri), `the login page does not have ${field}`)
}

// The person sees an error for `sent`, where `known` is registered.
const badRedirect = (known, sent) => async (trial) => {
  const client = await registered(trial, { redirect_uris: [known(trial)] })
  const asked = request(trial, client, { redirect_uri: sent(trial) })
  errorPage(await authorize(trial, browserOf(trial), asked, { until: trial.redirect }))
}

const withQuery = (query) => ({ redirect }) => `${redirect}?${query}`

// Keys at an address of the client's own.
function keysAt(trial, key, address = trial.site.address(`/${random()}/jwks`)) {
  trial.site.put(address, 'application/json', JSON.stringify({ keys: [publicHalf(key)] }))
  return address
}

async function pairwise(trial, uris) {
  if (!trial.server.lists('subject_types_supported', 'pairwise')) throw new LeftOut('pairwise subjects are not announced')
  const sector = trial.site.address(`/${random()}.json`)
  trial.site.put(sector, 'application/json', JSON.stringify(uris))
  return { subject_type: 'pairwise', sector_identifier_uri: sector }
}

export const dynamic = {
  'oidcc-idtoken-rs256': async (trial) => {
    const client = await registered(trial, { id_token_signed_response_alg: 'RS256' })
    const { idToken } = await login(trial, { client, redeeming: { idToken: { algorithm: 'RS256' } } })
    must(idToken.header.kid, 'the ID token has no kid')
  },
  'oidcc-idtoken-unsigned': basic['oidcc-idtoken-unsigned'],
  'oidcc-userinfo-rs256': async (trial) => {
    must(trial.server.lists('userinfo_signing_alg_values_supported', 'RS256'), 'RS256 is not announced for userinfo')
    const client = await registered(trial, { userinfo_signed_response_alg: 'RS256' })
    const { tokens, idToken } = await login(trial, { client })
    const answer = await called(trial, tokens.access_token)
    must(/^application\/jwt\b/.test(answer.type), `userinfo of the type ${answer.type}`)
    const read = parts(answer.text, 'userinfo')
    same(read.header.alg, 'RS256', 'the algorithm of userinfo')
    must(holds(read, await keyOf(trial, read)), 'the signature of userinfo does not hold')
    const { iss, aud, nonce, ...claims } = read.claims
    trial.should(iss === trial.server.metadata.issuer, `iss of userinfo is ${iss}`)
    trial.should([aud].flat().includes(client.id), `aud of userinfo is ${aud}`)
    same(nonce, undefined, 'nonce of userinfo')
    checkClaims(trial, claims, idToken)
  },
  'oidcc-ensure-redirect-uri-in-authorization-request': async (trial) => {
    const asked = request(trial, await registered(trial), { redirect_uri: undefined })
    const got = await authorize(trial, browserOf(trial), asked, { until: trial.redirect })
    if (got.page !== undefined) return errorPage(got)
    refusedWith(trial, asked, got, ['invalid_request', 'invalid_request_object'])
  },
  'oidcc-redirect-uri-query-OK': async (trial) => {
    const client = await registered(trial, { redirect_uris: [withQuery('foo=bar')(trial)] })
    const asked = request(trial, client)
    const got = await authorize(trial, browserOf(trial), asked)
    same(got.answer?.foo, 'bar', 'the parameter of the redirect_uri')
    const { foo, ...answer } = got.answer
    const code = codeOf(trial, asked, { ...got, answer })
    must((await askToken(trial, client, codeForm(client, code))).json?.access_token, 'there is no access token')
  },
  'oidcc-redirect-uri-query-mismatch': badRedirect(withQuery('foo=bar'), withQuery('bar=foo')),
  'oidcc-redirect-uri-query-added': badRedirect(({ redirect }) => redirect, withQuery('foo=bar')),
  'oidcc-redirect-uri-regfrag': async (trial) =>
    notRegistered(trial, { redirect_uris: [`${trial.redirect}#foobar`] }, ['invalid_redirect_uri', 'invalid_request', 'invalid_client_metadata']),
  ...discovery,
  'oidcc-server': async (trial) => {
    await login(trial, { client: await registered(trial) })
  },
  'oidcc-registration-logo-uri': shows('logo_uri', '/logo.png'),
  'oidcc-registration-policy-uri': shows('policy_uri', '/policy'),
  'oidcc-registration-tos-uri': shows('tos_uri', '/terms'),
  'oidcc-registration-jwks-uri': async (trial) => {
    const key = newKey()
    await login(trial, { client: await registered(trial, { jwks: undefined, jwks_uri: keysAt(trial, key) }, key) })
  },
  'oidcc-registration-sector-uri': async (trial) => {
    await registered(trial, await pairwise(trial, [trial.redirect]))
  },
  'oidcc-registration-sector-bad': async (trial) => {
    await notRegistered(trial, await pairwise(trial, ['https://other.example/cb']), ['invalid_client_metadata', 'invalid_redirect_uri'])
  },
  'oidcc-server-rotate-keys': async (trial) => {
    const before = await trial.server.keys()
    checkKeys(before)
    if (!trial.rotate) throw new LeftOut('nothing rotates the keys of this server')
    await trial.rotate()
    const after = await trial.server.keys()
    checkKeys(after)
    const names = (keys) => keys.map(({ kid }) => kid)
    must(names(after).some((kid) => !names(before).includes(kid)), 'there is no new key')
    trial.should(names(before).every((kid) => names(after).includes(kid)), 'an old key is gone')
  },
  'oidcc-refresh-token-rp-key-rotation': async (trial) => {
    const [key, other] = [newKey(), newKey()]
    const jwks = keysAt(trial, key)
    const about = { jwks: undefined, jwks_uri: jwks, grant_types: ['authorization_code', 'refresh_token'] }
    const client = await registered(trial, about, key)
    const extra = trial.server.lists('scopes_supported', 'offline_access') ? OFFLINE : {}
    const done = await login(trial, { client, extra })
    must(done.tokens.refresh_token, 'there is no refresh token')
    keysAt(trial, other, jwks)
    // A server need not ask for the keys more often than once a minute.
    await pause(60_000)
    const tokens = await refresh(trial, { ...done, client: { ...client, key: other } })
    await called(trial, tokens.access_token)
  },
  'oidcc-request-uri-unsigned': unsignedByReference(),
  'oidcc-request-uri-signed-rs256': signedByReference,
  'oidcc-ensure-request-object-with-redirect-uri': unsignedObject({ beside: ({ redirect }) => ({ redirect_uri: `${redirect}/${random()}` }), own: true }),
  'oidcc-refresh-token': async (trial) => {
    const about = { grant_types: ['authorization_code', 'refresh_token'] }
    await refreshed(trial, await registered(trial, about), await registered(trial, about))
  },
  'oidcc-ensure-client-assertion-with-iss-aud-succeeds': async (trial) => {
    const client = await registered(trial)
    const asked = request(trial, client)
    const code = codeOf(trial, asked, await authorize(trial, browserOf(trial), asked))
    const answer = await askToken(trial, client, codeForm(client, code), { audience: trial.server.metadata.issuer })
    if (answer.status === 200) return must(answer.json.access_token, 'there is no access token')
    refused(trial, answer, ['invalid_client'], [400, 401])
    trial.should(false, 'the issuer is not taken as the audience of an assertion')
  },
}
