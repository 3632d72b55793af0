// Is what the server says about itself right? (OpenID Connect Discovery)

import { checkKeys } from './checks.mjs'
import { must, same } from './trial.mjs'

const strings = (value) => Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string')

export function listed(server, name, ...wanted) {
  const list = server.metadata[name]
  must(strings(list), `${name} is no list of texts: ${JSON.stringify(list)}`)
  for (const one of wanted) must(list.includes(one), `${name} lacks ${one}: ${list.join(', ')}`)
}

export function address(server, name) {
  const value = server.metadata[name]
  must(typeof value === 'string' && URL.canParse(value), `${name} is ${value}`)
  same(new URL(value).protocol, 'https:', `the scheme of ${name}`)
}

export function allHttps({ metadata }) {
  const all = { ...metadata, ...metadata.mtls_endpoint_aliases }
  const plain = Object.entries(all).filter(([name, value]) => /_endpoint$|^jwks_uri$/.test(name) && !`${value}`.startsWith('https://'))
  must(plain.length === 0, `not by https: ${plain.map(([name]) => name)}`)
}

// Either order of `id_token token` is one response type.
const sorted = (type) => type.split(' ').sort().join(' ')

async function discovery(trial, dynamic) {
  const { server } = trial
  const { metadata } = server
  same(server.discovery.status, 200, 'the status')
  must(/^application\/json\b/.test(server.discovery.type), `the type is ${server.discovery.type}`)
  const types = metadata.response_types_supported
  must(strings(types), `response_types_supported is ${types}`)
  const needed = dynamic ? ['code', 'id_token', 'id_token token'] : ['code']
  const lacking = needed.filter((type) => !types.map(sorted).includes(type))
  must(lacking.length === 0, `response_types_supported lacks ${lacking.join(', ')}`)
  const { issuer } = metadata
  same(issuer, trial.issuer, 'issuer')
  const url = new URL(issuer)
  must(url.protocol === 'https:' && !url.search && !url.hash, `issuer is ${issuer}`)
  listed(server, 'subject_types_supported')
  must(metadata.subject_types_supported.every((type) => ['public', 'pairwise'].includes(type)), 'another subject type')
  listed(server, 'id_token_signing_alg_values_supported', 'RS256')
  if (metadata.userinfo_signing_alg_values_supported) listed(server, 'userinfo_signing_alg_values_supported')
  for (const name of ['authorization_endpoint', 'token_endpoint', 'jwks_uri']) address(server, name)
  for (const name of ['userinfo_endpoint', 'registration_endpoint']) {
    if (metadata[name] !== undefined) address(server, name)
  }
  trial.should(metadata.userinfo_endpoint, 'there is no userinfo_endpoint')
  if (dynamic) address(server, 'registration_endpoint')
  checkKeys(await server.keys())
  const objects = metadata.request_object_signing_alg_values_supported
  trial.should(!objects || objects.includes('RS256'), 'request_object_signing_alg_values_supported lacks RS256')
  trial.should(strings(metadata.claims_supported), 'claims_supported is missing')
  const grants = metadata.grant_types_supported
  if (grants !== undefined) {
    listed(server, 'grant_types_supported', ...(dynamic ? ['authorization_code', 'implicit'] : ['authorization_code']))
  }
  trial.should(metadata.scopes_supported, 'scopes_supported is missing')
  if (metadata.scopes_supported) {
    listed(server, 'scopes_supported', 'openid')
    must(metadata.scopes_supported.every((scope) => /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope)), 'a scope that is none')
  }
  for (const name of ['ui_locales_supported', 'claims_locales_supported']) {
    if (metadata[name]) must(metadata[name].every((tag) => Intl.getCanonicalLocales(tag)), `${name} has what is no language`)
  }
  allHttps(server)
  if (metadata.code_challenge_methods_supported !== undefined) listed(server, 'code_challenge_methods_supported')
}

export const config = { 'oidcc-discovery-endpoint-verification': (trial) => discovery(trial, false) }

export const dynamic = { 'oidcc-discovery-endpoint-verification': (trial) => discovery(trial, true) }
