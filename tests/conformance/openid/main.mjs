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
import { backchannel, frontchannel, logout } from './logout.mjs'
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
  frontchannel: { modules: frontchannel },
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

// A certificate of a client, out of the files that it lies in.
const pem = (files) => files && { cert: readFileSync(files[0]), key: readFileSync(files[1]) }

// New keys of the server, where whoever started this can make some: it is asked by a line and answers by
// one.
async function rotate() {
  console.log(JSON.stringify({ rotate: true }))
  await new Promise((resolve) => process.stdin.once('data', resolve))
  process.stdin.pause()
}

// What all modules of a plan share.
async function world(plan, settings, site) {
  const { formPost = false, method = 'client_secret_basic', bound } = PLANS[plan]
  const clients = Object.fromEntries(
    Object.entries(settings.clients).map(([name, client]) => [name, { ...client, certificate: pem(client.certificate) }]),
  )
  return {
    ...settings,
    clients,
    site,
    server: await Server.of(settings.issuer),
    formPost,
    method,
    // A key for clients that register themselves.
    rsa: newKey(),
    pkce,
    rotate: settings.rotates && rotate,
    // The two clients of a FAPI plan, and how their tokens are bound.
    first: clients[`${plan}-first`],
    second: clients[`${plan}-second`],
    dpop: bound === 'dpop',
  }
}

const [plan, said] = process.argv.slice(2)
const settings = JSON.parse(said)
const site = await Site.open(settings.site)
await run(PLANS[plan].modules, await world(plan, settings, site))
site.close()
