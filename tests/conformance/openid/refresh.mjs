// Is a refresh token good for its client, and for no other?

import { checkTokens, keyOf, refused, unguessable } from './checks.mjs'
import { pause } from './http.mjs'
import { holds, parts } from './jwt.mjs'
import { askToken, called, login } from './oauth.mjs'
import { LeftOut, must, same } from './trial.mjs'

// A refresh, and what is in the new ID token as before (OpenID Connect Core section 12.2).
export async function refresh(trial, { client, tokens, idToken }, extra = {}) {
  await pause(1000)
  const form = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token, ...extra }
  const fresh = checkTokens(trial, await askToken(trial, client, form))
  must(fresh.access_token !== tokens.access_token, 'the access token is the old one')
  if (fresh.refresh_token) unguessable(fresh.refresh_token, 'the refresh token')
  if (fresh.id_token) {
    const read = parts(fresh.id_token, 'the new ID token')
    must(holds(read, await keyOf(trial, read)), 'the signature of the new ID token does not hold')
    for (const name of ['iss', 'sub', 'azp', 'auth_time']) same(read.claims[name], idToken.claims[name], name)
    same(JSON.stringify([read.claims.aud].flat()), JSON.stringify([idToken.claims.aud].flat()), 'aud')
    must(read.claims.iat >= idToken.claims.iat, 'the new ID token is older')
  }
  return { ...tokens, ...fresh }
}

// What the server does not give is left out, unless it says that it does.
export function tokenOf(trial, { tokens }) {
  if (tokens.refresh_token) return
  trial.should(!trial.server.lists('grant_types_supported', 'refresh_token'), 'refresh_token is announced, and none is given')
  throw new LeftOut('no refresh token is given')
}

// A request that a refresh token comes of, where a server gives one for that only.
export const OFFLINE = { scope: 'openid offline_access', prompt: 'consent' }

export async function refreshed(trial, client, other) {
  const extra = trial.server.lists('scopes_supported', 'offline_access') ? OFFLINE : {}
  for (const one of [client, other]) {
    const done = await login(trial, { client: one, extra })
    tokenOf(trial, done)
    const tokens = await refresh(trial, done, one === client ? { scope: done.asked.scope } : {})
    await called(trial, tokens.access_token)
    if (one === client) continue
    const form = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token }
    refused(trial, await askToken(trial, client, form), ['invalid_grant'], [400])
  }
}
