// Is what userinfo says of a person in the form that it must have? (OpenID Connect Core section 5)

import { must, same } from './trial.mjs'

const TEXTS = ['name', 'given_name', 'family_name', 'middle_name', 'nickname', 'preferred_username', 'profile', 'picture', 'website', 'email', 'gender', 'birthdate', 'zoneinfo', 'locale', 'phone_number']
const FLAGS = ['email_verified', 'phone_number_verified']
const ADDRESS = ['formatted', 'street_address', 'locality', 'region', 'postal_code', 'country']
const YEAR = /^(\d{4}|\d{4}-\d{2}-\d{2})$/

// What each scope is for (section 5.4).
const SCOPES = {
  profile: [...TEXTS.slice(0, 9), 'gender', 'birthdate', 'zoneinfo', 'locale', 'updated_at'],
  email: ['email', 'email_verified'],
  address: ['address'],
  phone: ['phone_number', 'phone_number_verified'],
}

export function checkUserinfo(trial, answer, idToken) {
  must(/^application\/json\b/.test(answer.type) && answer.json, `userinfo of the type ${answer.type}: ${answer.text}`)
  return checkClaims(trial, answer.json, idToken)
}

export function checkClaims(trial, claims, idToken) {
  must(typeof claims.sub === 'string' && claims.sub, 'sub is missing')
  if (idToken) same(claims.sub, idToken.claims.sub, 'sub')
  for (const [name, value] of Object.entries(claims)) {
    if (TEXTS.includes(name)) must(typeof value === 'string' && value, `${name} is ${JSON.stringify(value)}`)
    if (FLAGS.includes(name)) must(typeof value === 'boolean', `${name} is ${JSON.stringify(value)}`)
    must(value !== null, `${name} is null`)
  }
  const { address, birthdate, updated_at: updated } = claims
  must(birthdate === undefined || YEAR.test(birthdate), `birthdate is ${birthdate}`)
  must(updated === undefined || Number.isInteger(updated), `updated_at is ${updated}`)
  if (address !== undefined) {
    const right = typeof address === 'object' && Object.entries(address).every(([name, value]) => ADDRESS.includes(name) && typeof value === 'string')
    must(right, `address is ${JSON.stringify(address)}`)
  }
  const { _claim_names: names, _claim_sources: sources = {} } = claims
  must(Object.values(names ?? {}).every((source) => source in sources), 'a claim without its source')
  return claims
}

// What a scope is for is there; the suite warns of what is not.
export function checkScopes(trial, claims, scopes) {
  const missing = scopes.flatMap((scope) => SCOPES[scope] ?? []).filter((name) => claims[name] === undefined)
  trial.should(missing.length === 0, `userinfo lacks ${missing.join(', ')}`)
}
