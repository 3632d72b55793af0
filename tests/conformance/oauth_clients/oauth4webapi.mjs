// Does oauth4webapi, which leaves every step to its caller, get along with the key manager, unchanged?
//
// oauth4webapi.mjs FOLDER SETTINGS: the package lies in FOLDER/node_modules, SETTINGS is JSON.

import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { Browser } from './browser.mjs'
import { run, same } from './report.mjs'

const [folder, said] = process.argv.slice(2)
const { issuer, clients, person, redirect } = JSON.parse(said)
const entry = createRequire(`${folder}/`).resolve('oauth4webapi')
const oauth = await import(pathToFileURL(entry))

const at = new URL(issuer)
const server = await oauth.processDiscoveryResponse(at, await oauth.discoveryRequest(at))

// From the request to the checked tokens.
async function login(name, { pushed = false, DPoP } = {}) {
  const { id, secret } = clients[name]
  const client = { client_id: id }
  const auth = secret ? oauth.ClientSecretBasic(secret) : oauth.None()
  const verifier = oauth.generateRandomCodeVerifier()
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()]
  let asked = new URLSearchParams({
    client_id: id,
    redirect_uri: redirect,
    response_type: 'code',
    scope: 'openid profile email',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
  })
  if (pushed) {
    const answer = await oauth.pushedAuthorizationRequest(server, client, auth, asked, { DPoP })
    const { request_uri } = await oauth.processPushedAuthorizationResponse(server, client, answer)
    asked = new URLSearchParams({ client_id: id, request_uri })
  }
  const back = await new Browser(person).visit(`${server.authorization_endpoint}?${asked}`, redirect)
  const parameters = oauth.validateAuthResponse(server, client, back.url, state)
  const answer = await oauth.authorizationCodeGrantRequest(server, client, auth, parameters, redirect, verifier, { DPoP })
  const tokens = await oauth.processAuthorizationCodeResponse(server, client, answer, { expectedNonce: nonce, requireIdToken: true })
  await oauth.validateApplicationLevelSignature(server, answer)
  same(oauth.getValidatedIdTokenClaims(tokens).sub, person.sub, 'sub')
  return { client, auth, tokens }
}

async function told({ client, tokens }, options) {
  const answer = await oauth.userInfoRequest(server, client, tokens.access_token, options)
  same((await oauth.processUserInfoResponse(server, client, person.sub, answer)).email, person.email, 'email')
}

await run({
  'code, PKCE and userinfo': async () => told(await login('basic')),
  'code, PKCE and userinfo without authentication': async () => told(await login('public')),
  'a pushed request': async () => told(await login('basic', { pushed: true })),
  'DPoP from the pushed request on': async () => {
    const DPoP = oauth.DPoP({ client_id: clients.dpop.id }, await oauth.generateKeyPair('ES256'))
    await told(await login('dpop', { pushed: true, DPoP }), { DPoP })
  },
  'refresh': async () => {
    const { client, auth, tokens } = await login('public')
    const answer = await oauth.refreshTokenGrantRequest(server, client, auth, tokens.refresh_token)
    await told({ client, tokens: await oauth.processRefreshTokenResponse(server, client, answer) })
  },
  'introspection and revocation': async () => {
    const { client, auth, tokens } = await login('basic')
    const active = async () => {
      const answer = await oauth.introspectionRequest(server, client, auth, tokens.access_token)
      return (await oauth.processIntrospectionResponse(server, client, answer)).active
    }
    same(await active(), true, 'before')
    await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, auth, tokens.access_token))
    same(await active(), false, 'after')
  },
  'an access token is a JWT of RFC 9068': async () => {
    const { tokens } = await login('basic')
    const request = new Request('https://api.example/', { headers: { authorization: `Bearer ${tokens.access_token}` } })
    const claims = await oauth.validateJwtAccessToken(server, request, 'turnpike')
    same(claims.sub, person.sub, 'sub')
  },
})
