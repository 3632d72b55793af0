// How does a server do in one of the plans of the OpenID conformance suite?
//
// main.mjs PLAN SETTINGS: a line of JSON for each module. SETTINGS is JSON: `issuer`, `clients`,
// `person`, `redirect`, `site`, and what a plan needs beside.

import { readFileSync } from 'node:fs'
import { basic } from './basic.mjs'
import { config } from './discovery.mjs'
import { dynamic } from './dynamic.mjs'
import { fapi } from './fapi_modules.mjs'
import { random } from './http.mjs'
import { sha256 } from './jwt.mjs'
import { backchannel, logout } from './logout.mjs'
import { newKey } from './registration.mjs'
import { Server } from './server.mjs'
import { Site } from './site.mjs'
import { run } from './trial.mjs'

const PLANS = {
  basic: { modules: basic },
  config: { modules: config },
  dynamic: { modules: dynamic, method: 'private_key_jwt' },
  logout: { modules: logout },
  backchannel: { modules: backchannel },
  formpost: { modules: basic, formPost: true },
  ...Object.fromEntries(
    ['private_key_jwt', 'mtls'].flatMap((auth) => ['dpop', 'mtls'].map((bound) => [`fapi2-${auth}-${bound}`, { modules: fapi, bound }])),
  ),
}

// S256 for a request, and what it is proven with.
function pkce() {
  const verifier = random(32)
  return { verifier, challenge: { code_challenge: sha256(verifier), code_challenge_method: 'S256' } }
}

const [plan, said] = process.argv.slice(2)
const settings = JSON.parse(said)
const { modules, formPost = false, method = 'client_secret_basic', bound } = PLANS[plan]
// The clients of a FAPI plan, with their certificates.
const pem = (files) => files && { cert: readFileSync(files[0]), key: readFileSync(files[1]) }
for (const client of Object.values(settings.clients)) client.certificate = pem(client.certificate)
const [first, second] = ['first', 'second'].map((name) => settings.clients[`${plan}-${name}`])
// New keys of the server, where whoever started this can make some: it is asked by a line and answers by
// one.
async function rotate() {
  console.log(JSON.stringify({ rotate: true }))
  await new Promise((resolve) => process.stdin.once('data', resolve))
  process.stdin.pause()
}

const site = await Site.open(settings.site)
const server = await Server.of(settings.issuer)
await run(modules, { ...settings, server, site, formPost, method, pkce, rsa: newKey(), first, second, dpop: bound === 'dpop', rotate: settings.rotates && rotate })
site.close()
