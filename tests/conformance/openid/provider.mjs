// Is the harness right? npm's oidc-provider, which is certified, is a server for it.
//
// provider.mjs FOLDER SETTINGS: the package lies in FOLDER/node_modules. SETTINGS is JSON: `issuer`,
// `port`, `certificate`, `key`, `clients`, `person`. Says `ready` when it listens.

import { readFileSync } from 'node:fs'
import * as https from 'node:https'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { freshKey } from '../fresh_key.mjs'

const [folder, said] = process.argv.slice(2)
const settings = JSON.parse(said)
const entry = createRequire(`${folder}/`).resolve('oidc-provider')
const { default: Provider } = await import(pathToFileURL(entry))

const made = (type, options, extra) => ({ ...freshKey(type, options), ...extra })
const keys = () => [
  made('rsa', { modulusLength: 2048 }, { kid: `rsa-${Date.now()}`, use: 'sig' }),
  made('ec', { namedCurve: 'P-256' }, { kid: `ec-${Date.now()}`, use: 'sig', alg: 'ES256' }),
]

const { person } = settings
const profile = ['name', 'given_name', 'family_name', 'middle_name', 'nickname', 'preferred_username', 'profile', 'picture', 'website', 'gender', 'birthdate', 'zoneinfo', 'locale', 'updated_at']

const configuration = {
  clients: settings.clients,
  jwks: { keys: keys() },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...person.claims }) }),
  claims: {
    openid: ['sub'],
    profile,
    email: ['email', 'email_verified'],
    address: ['address'],
    phone: ['phone_number', 'phone_number_verified'],
    acr: null,
    auth_time: null,
    sid: null,
  },
  enableHttpPostMethods: true,
  allowOmittingSingleRegisteredRedirectUri: false,
  // It would not ask this machine: the harness's site is on it.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  cookies: { keys: ['a key of a test'], long: { sameSite: 'none' } },
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'tls_client_auth', 'none'],
  responseTypes: ['code', 'id_token', 'code id_token', 'none'],
  subjectTypes: ['public', 'pairwise'],
  pairwiseIdentifier: (_, account) => `of-${account}`,
  issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
  ttl: { AccessToken: 3600, AuthorizationCode: 60, IdToken: 3600, Interaction: 3600, Session: 3600, Grant: 3600 },
  features: {
    backchannelLogout: { enabled: true },
    claimsParameter: { enabled: true },
    introspection: { enabled: true },
    jwtUserinfo: { enabled: true },
    registration: { enabled: true },
    registrationManagement: { enabled: true },
    requestObjects: { enabled: true },
    revocation: { enabled: true },
    dPoP: { enabled: true },
    fapi: { enabled: true, profile: (_, client) => (client?.clientId.startsWith('fapi2') ? '2.0' : undefined) },
    mTLS: {
      enabled: true,
      certificateBoundAccessTokens: true,
      tlsClientAuth: true,
      getCertificate: ({ socket }) => pem(socket.getPeerCertificate()?.raw),
      certificateAuthorized: ({ socket }) => socket.authorized,
      certificateSubjectMatches: ({ socket }, property, expected) =>
        property === 'tls_client_auth_subject_dn' && `CN=${socket.getPeerCertificate().subject.CN}` === expected,
    },
    ...settings.features,
  },
}

const pem = (der) => der && `-----BEGIN CERTIFICATE-----\n${der.toString('base64').match(/.{1,64}/g).join('\n')}\n-----END CERTIFICATE-----\n`

const provider = new Provider(settings.issuer, configuration)
const pair = { cert: readFileSync(settings.certificate), key: readFileSync(settings.key) }
const ciphers = 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384'
const asks = { ciphers, requestCert: true, rejectUnauthorized: false, ca: readFileSync(settings.authority) }
https.createServer({ ...pair, ...asks }, provider.callback()).listen(settings.port, '127.0.0.1', () => console.log('ready'))
