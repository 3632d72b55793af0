// npm's oidc-provider with the two clients that are measured. Its settings come as one argument in JSON:
// `folder` where it is installed, `port`, `certificate` and `key` (files), `secret` of both clients.

import { readFileSync } from 'node:fs'
import * as https from 'node:https'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { freshKey } from '../../tests/conformance/fresh_key.mjs'

const { folder, port, certificate, key, secret } = JSON.parse(process.argv[2])
const entry = createRequire(`${folder}/`).resolve('oidc-provider')
const { default: Provider } = await import(pathToFileURL(entry))

// Tokens are for one resource, as those of the key manager are for one audience.
const server = (client) => ({
  scope: 'read',
  audience: 'turnpike',
  accessTokenTTL: 3600,
  accessTokenFormat: client.clientId,
  jwt: { sign: { alg: 'ES256' } },
})

const client = (name) => ({
  client_id: name,
  client_secret: secret,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  token_endpoint_auth_method: 'client_secret_basic',
})

const provider = new Provider(`https://127.0.0.1:${port}`, {
  clients: [client('jwt'), client('opaque')],
  jwks: { keys: [{ ...freshKey('ec', { namedCurve: 'P-256' }), kid: 'bench', alg: 'ES256', use: 'sig' }] },
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  scopes: ['read'],
  cookies: { keys: ['a key of a bench'] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'urn:bench',
      getResourceServerInfo: (_, resource, client) => server(client),
    },
  },
})
const options = { cert: readFileSync(certificate), key: readFileSync(key) }
https.createServer(options, provider.callback()).listen(port, '127.0.0.1')
