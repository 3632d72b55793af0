// npm's oidc-provider, as somebody else's authorization server. Its settings come as one argument in JSON:
// `folder` where it is installed, `issuer`, `port`, `certificate` and `key` (files), `clients`, `kid` of
// its signing key, `initialAccessToken`, `account` ({ sub, email, email_verified }).
import fs from 'node:fs'
import https from 'node:https'
import { pathToFileURL } from 'node:url'
import { freshKey } from '../fresh_key.mjs'

const settings = JSON.parse(process.argv[2])
const module = pathToFileURL(`${settings.folder}/node_modules/oidc-provider/lib/index.js`)
const { default: Provider } = await import(module)

// A resource that ends in `opaque` has tokens that say nothing.
const server = (resource) => ({
  scope: 'read write',
  audience: resource,
  accessTokenTTL: 600,
  accessTokenFormat: resource.endsWith('opaque') ? 'opaque' : 'jwt',
  jwt: { sign: { alg: 'ES256' } },
})

const jwk = { ...freshKey('ec', { namedCurve: 'P-256' }), kid: settings.kid, alg: 'ES256', use: 'sig' }

const provider = new Provider(settings.issuer, {
  clients: settings.clients,
  jwks: { keys: [jwk] },
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  scopes: ['openid', 'profile', 'email', 'read', 'write'],
  claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'] },
  cookies: { keys: ['a key of a test'] },
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true, allowedPolicy: () => true },
    registration: { enabled: true, initialAccessToken: settings.initialAccessToken },
    registrationManagement: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      getResourceServerInfo: (_, resource) => server(resource),
    },
  },
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ ...settings.account, sub }) }),
})
const options = {
  cert: fs.readFileSync(settings.certificate),
  key: fs.readFileSync(settings.key),
}
https.createServer(options, provider.callback()).listen(settings.port, '127.0.0.1')
