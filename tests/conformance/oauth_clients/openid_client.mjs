// Does openid-client, a certified relying party, get along with the key manager, unchanged?
//
// openid_client.mjs FOLDER SETTINGS: the packages lie in FOLDER/node_modules, SETTINGS is JSON.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { request } from 'node:https'
import { pathToFileURL } from 'node:url'
import { Browser } from './browser.mjs'
import { refused, run, same } from './report.mjs'

const [folder, said] = process.argv.slice(2)
const settings = JSON.parse(said)
const { issuer, clients, person, redirect, certificates } = settings
const entry = createRequire(`${folder}/`).resolve('openid-client')
const oidc = await import(pathToFileURL(entry))

const key = (algorithm, jwk) => crypto.subtle.importKey('jwk', jwk, algorithm, false, ['sign'])
const signing = await key({ name: 'ECDSA', namedCurve: 'P-256' }, settings.key)
const signer = { key: signing, kid: settings.key.kid }

// A fetch that shows a client certificate.
const showing = ({ cert, key }) => (url, { method, headers, body }) =>
  new Promise((resolve, reject) => {
    const sent = request(url, { method, headers: Object.fromEntries(new Headers(headers)), cert, key, ca: readFileSync(process.env.NODE_EXTRA_CA_CERTS) }, (answer) => {
      const parts = []
      answer.on('data', (part) => parts.push(part))
      answer.on('end', () => {
        const { statusCode: status, headers } = answer
        resolve(new Response([204, 304].includes(status) ? null : Buffer.concat(parts), { status, headers }))
      })
    })
    sent.on('error', reject)
    sent.end(body?.toString())
  })

const known = new Map()
// The configuration of a registered client, discovered once.
async function of(name) {
  if (known.has(name)) return known.get(name)
  const { id, secret, method, metadata = {} } = clients[name]
  const auth = {
    client_secret_basic: () => oidc.ClientSecretBasic(secret),
    client_secret_post: () => oidc.ClientSecretPost(secret),
    client_secret_jwt: () => oidc.ClientSecretJwt(secret),
    private_key_jwt: () => oidc.PrivateKeyJwt(signer),
    tls_client_auth: () => oidc.TlsClientAuth(),
    self_signed_tls_client_auth: () => oidc.TlsClientAuth(),
    none: () => oidc.None(),
  }[method]()
  const config = await oidc.discovery(new URL(issuer), id, { client_secret: secret, ...metadata }, auth)
  if (certificates[name]) {
    const [cert, key] = certificates[name].map((file) => readFileSync(file))
    config[oidc.customFetch] = showing({ cert, key })
  }
  known.set(name, config)
  return config
}

// From the request to the tokens, with `wishes` in the request.
async function login(name, wishes = {}, { begin = oidc.buildAuthorizationUrl, options, browser = new Browser(person) } = {}) {
  const config = await of(name)
  const verifier = oidc.randomPKCECodeVerifier()
  const [state, nonce] = [oidc.randomState(), oidc.randomNonce()]
  const url = await begin(config, {
    redirect_uri: redirect,
    scope: 'openid profile email',
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...wishes,
  })
  const back = await browser.visit(url.href, redirect)
  const answer = back.posted
    ? new Request(redirect, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: back.posted.fields })
    : back.url
  if (!back.posted && !back.url.href.startsWith(redirect)) throw new Error(`stranded at ${back.url}: ${back.page}`)
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true }
  const tokens = await oidc.authorizationCodeGrant(config, answer, checks, undefined, options)
  return { config, tokens, browser }
}

async function whole(name, wishes, how) {
  const { config, tokens } = await login(name, wishes, how)
  same(tokens.claims().sub, person.sub, 'sub')
  const told = await oidc.fetchUserInfo(config, tokens.access_token, person.sub, how?.options)
  same(told.email, person.email, 'email')
  const next = await oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, how?.options)
  if (!next.access_token) throw new Error('no token')
  return { config, tokens }
}

await run({
  'discovery': async () => {
    const server = (await of('basic')).serverMetadata()
    same(server.issuer, issuer, 'issuer')
    same(server.supportsPKCE(), true, 'PKCE')
  },
  'code, PKCE and refresh with client_secret_basic': () => whole('basic'),
  'code, PKCE and refresh with client_secret_post': () => whole('post'),
  'code, PKCE and refresh with client_secret_jwt': () => whole('secret_jwt'),
  'code, PKCE and refresh with private_key_jwt': () => whole('key_jwt'),
  'code, PKCE and refresh with tls_client_auth': () => whole('tls'),
  'code, PKCE and refresh without authentication': () => whole('public'),
  'prompt=none where somebody is logged in': async () => {
    const { browser } = await login('basic')
    await login('basic', { prompt: 'none' }, { browser })
  },
  'prompt=none where nobody is': () => refused('login_required', () => login('basic', { prompt: 'none' })),
  'client credentials': async () => {
    const tokens = await oidc.clientCredentialsGrant(await of('machine'), { scope: 'read' })
    same(tokens.scope, 'read', 'scope')
  },
  'introspection and revocation': async () => {
    const { config, tokens } = await login('basic')
    same((await oidc.tokenIntrospection(config, tokens.access_token)).active, true, 'before')
    await oidc.tokenRevocation(config, tokens.access_token)
    same((await oidc.tokenIntrospection(config, tokens.access_token)).active, false, 'after')
  },
  'introspection as a signed answer': async () => {
    const config = await of('signed_introspection')
    const tokens = await oidc.clientCredentialsGrant(config)
    same((await oidc.tokenIntrospection(config, tokens.access_token)).active, true, 'active')
  },
  'a refresh token ends with its family': async () => {
    const { config, tokens } = await login('public')
    await oidc.tokenRevocation(config, tokens.refresh_token)
    await refused('invalid_grant', () => oidc.refreshTokenGrant(config, tokens.refresh_token))
  },
  'an opaque access token': async () => {
    const { config, tokens } = await whole('opaque')
    if (tokens.access_token.split('.').length === 3) throw new Error('it is a JWT')
    same((await oidc.tokenIntrospection(config, tokens.access_token)).active, true, 'active')
  },
  'DPoP': async () => {
    const options = { DPoP: oidc.getDPoPHandle(await of('dpop'), await oidc.randomDPoPKeyPair('ES256')) }
    const { config, tokens } = await login('dpop', {}, { options })
    same(tokens.token_type, 'dpop', 'type')
    const next = await oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, options)
    same(next.token_type, 'dpop', 'type')
    await refused('invalid_dpop_proof', () =>
      oidc.refreshTokenGrant(config, next.refresh_token ?? tokens.refresh_token))
  },
  'DPoP at userinfo': async () => {
    const options = { DPoP: oidc.getDPoPHandle(await of('dpop'), await oidc.randomDPoPKeyPair('ES256')) }
    await whole('dpop', {}, { options })
  },
  'certificate-bound tokens': async () => {
    const { config, tokens } = await login('tls_bound')
    const told = await oidc.tokenIntrospection(config, tokens.access_token)
    same(typeof told.cnf?.['x5t#S256'], 'string', 'thumbprint')
  },
  'PAR': () => whole('basic', {}, { begin: oidc.buildAuthorizationUrlWithPAR }),
  'JAR': () => whole('key_jwt', {}, { begin: (config, wishes) => oidc.buildAuthorizationUrlWithJAR(config, wishes, signer) }),
  'form_post': () => whole('basic', { response_mode: 'form_post' }),
  'JARM': async () => {
    oidc.useJwtResponseMode(await of('jarm'))
    await whole('jarm')
  },
  'PAR, DPoP and JARM together': async () => {
    const config = await of('jarm_dpop')
    oidc.useJwtResponseMode(config)
    const options = { DPoP: oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256')) }
    const begin = (config, wishes) => oidc.buildAuthorizationUrlWithPAR(config, wishes, options)
    await login('jarm_dpop', {}, { begin, options })
  },
  'device': async () => {
    const config = await of('device')
    const asked = await oidc.initiateDeviceAuthorization(config, { scope: 'openid' })
    const browser = new Browser({ ...person, userCode: asked.user_code })
    await browser.visit(asked.verification_uri_complete ?? asked.verification_uri)
    const tokens = await oidc.pollDeviceAuthorizationGrant(config, { ...asked, interval: 0 })
    same(tokens.claims().sub, person.sub, 'sub')
  },
  'token exchange': async () => {
    const { tokens } = await login('basic')
    const exchanged = await oidc.genericGrantRequest(await of('exchange'), 'urn:ietf:params:oauth:grant-type:token-exchange', {
      subject_token: tokens.access_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    })
    if (!exchanged.access_token) throw new Error('no token')
  },
  'CIBA': async () => {
    const config = await of('ciba')
    const asked = await oidc.initiateBackchannelAuthentication(config, { scope: 'openid', login_hint: person.name, binding_message: 'W4SCT' })
    await new Browser(person).visit(new URL('approvals', `${issuer}/`).href)
    const tokens = await oidc.pollBackchannelAuthenticationGrant(config, { ...asked, interval: 0 })
    same(tokens.claims().sub, person.sub, 'sub')
  },
  'dynamic registration': async () => {
    const config = await oidc.dynamicClientRegistration(new URL(issuer), {
      redirect_uris: [redirect],
      grant_types: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_method: 'client_secret_post',
      scope: 'openid profile email',
    }, undefined, { initialAccessToken: settings.initialAccessToken })
    known.set('registered', config)
    await login('registered')
  },
  'logout': async () => {
    const { config, tokens, browser } = await login('basic')
    const url = oidc.buildEndSessionUrl(config, { id_token_hint: tokens.id_token, post_logout_redirect_uri: settings.afterLogout, state: 'gone' })
    const back = await browser.visit(url.href, settings.afterLogout)
    same(back.url.searchParams.get('state'), 'gone', 'state')
    await refused('login_required', () => login('basic', { prompt: 'none' }, { browser }))
  },
})
