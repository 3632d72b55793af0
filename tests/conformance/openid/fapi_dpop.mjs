// Does a key that is shown have to be the right one, shown in the right way? (RFC 9449)

import { refused } from './checks.mjs'
import { code, grantOf, login, newDpopKey, prepare, push, redeem, resource } from './fapi.mjs'
import { ask, random, seconds } from './http.mjs'
import { proof, signed } from './jwt.mjs'
import { must, where } from './trial.mjs'

const only = (module) => where(({ dpop }) => dpop, module)

const UNBOUND = ['invalid_request', 'invalid_grant', 'invalid_dpop_proof']

// A login whose proofs have other claims; `early`: the one at the first step too.
const proofWith = (change, early = false) => only(async (trial) => {
  const proofs = { change: (claims) => ({ ...claims, ...change() }) }
  const flow = prepare(trial)
  const pushing = early ? { proven: flow.key, proofs } : {}
  await login(trial, flow, { pushing, redeeming: { proofs }, using: { proofs } })
})

// A code is redeemed with another key than was said before.
const otherKey = (before) => only(async (trial) => {
  const flow = prepare(trial)
  const { extra = {}, pushing } = before(flow)
  const told = { ...flow, asked: { ...flow.asked, ...extra } }
  const made = await code(trial, told, { pushing })
  refused(trial, await redeem(trial, told, grantOf(told, made)), UNBOUND)
})

const without = (name) => ({ change: ({ [name]: _, ...claims }) => claims })

// What is wrong with a proof; the resource has to refuse it.
const WRONG = {
  'no typ': { header: { typ: undefined } },
  'no alg': { header: { alg: undefined } },
  'no jwk': { header: { jwk: undefined } },
  'no jti': without('jti'),
  'no htm': without('htm'),
  'no htu': without('htu'),
  'no iat': without('iat'),
  'no ath': without('ath'),
  'another typ': { header: { typ: 'jwt' } },
  'another method': { change: (claims) => ({ ...claims, htm: 'PUT' }) },
  'another address': { change: (claims) => ({ ...claims, htu: 'https://other.example/userinfo' }) },
  'an hour early': { change: (claims) => ({ ...claims, iat: seconds() + 3600 }) },
  'an hour late': { change: (claims) => ({ ...claims, iat: seconds() - 3600 }) },
  'another token': { change: (claims) => ({ ...claims, ath: random(32) }) },
}

// What a resource may not mind.
const RIGHT = {
  'query and fragment': { change: (claims) => ({ ...claims, htu: `${claims.htu}?a=b#c` }) },
  'more claims': { header: { extra: 'x' }, change: (claims) => ({ ...claims, extra: 'x' }) },
}

async function negative(trial) {
  const flow = await login(trial)
  const { access_token: token } = flow.tokens
  const address = trial.server.endpoint('userinfo_endpoint')
  const good = () => proof(flow.key, 'GET', address, { token })
  const send = (dpop) => ask(address, { headers: { authorization: `DPoP ${token}`, dpop } })
  const refuses = (answer, what) => must([400, 401].includes(answer.status), `a proof with ${what} is answered ${answer.status}`)
  for (const [what, proofs] of Object.entries(RIGHT)) {
    const answer = await resource(trial, flow, token, { proofs })
    must(answer.status === 200, `a proof with ${what} is answered ${answer.status}: ${answer.text}`)
  }
  const upper = await resource(trial, flow, token, { header: 'DPOP' })
  trial.should(upper.status === 200, `the field DPOP is answered ${upper.status}`)
  for (const [what, proofs] of Object.entries(WRONG)) refuses(await resource(trial, flow, token, { proofs }), what)
  refuses(await send([good(), good()]), 'another proof beside it')
  refuses(await send(good().split('.').slice(0, 2).join('.')), 'no signature part')
  const [head, body, signature] = good().split('.')
  refuses(await send(`${head}.${body}.${signature.split('').reverse().join('')}`), 'a wrong signature')
  const claims = JSON.parse(Buffer.from(body, 'base64url'))
  const { thumbprint, ...key } = flow.key
  const { d, ...half } = key
  refuses(await send(signed({ typ: 'dpop+jwt', alg: 'none', jwk: half }, { ...claims, jti: random() })), 'alg none')
  refuses(await send(signed({ typ: 'dpop+jwt', alg: 'ES256', jwk: key }, { ...claims, jti: random() }, key)), 'a private key')
  refuses(await resource(trial, flow, token, { key: newDpopKey() }), 'another key')
  const once = good()
  must((await send(once)).status === 200, 'a proof is not taken once')
  trial.should((await send(once)).status >= 400, 'a proof is taken twice')
  const bearer = await ask(address, { headers: { authorization: `Bearer ${token}`, dpop: good() } })
  refuses(bearer, 'Bearer')
  refuses(await ask(address, { headers: { authorization: `Bearer ${token}` } }), 'nothing but Bearer')
}

export const dpop = {
  'check-dpop-proof-nbf-exp': proofWith(() => ({ nbf: seconds(), exp: seconds() + 300 })),
  'ensure-dpopproof-with-iat-10seconds-before-succeeds': proofWith(() => ({ iat: seconds() - 10 }), true),
  'ensure-dpopproof-with-iat-10seconds-after-succeeds': proofWith(() => ({ iat: seconds() + 10 }), true),
  'ensure-mismatched-dpop-jkt-fails': only(async (trial) => {
    const flow = prepare(trial, trial.first, { dpop_jkt: newDpopKey().thumbprint })
    refused(trial, await push(trial, flow, { proven: flow.key }), ['invalid_request', 'invalid_dpop_proof'])
  }),
  'ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt': otherKey(() => ({ pushing: { proven: newDpopKey() } })),
  'ensure-token-endpoint-fails-with-mismatched-dpop-jkt': otherKey(() => ({ extra: { dpop_jkt: newDpopKey().thumbprint } })),
  'ensure-dpopproof-at-par-endpoint-binding-success': only(async (trial) => {
    const flow = prepare(trial)
    await login(trial, flow, { pushing: { proven: flow.key } })
  }),
  'ensure-dpop-auth-code-binding-success': only(async (trial) => {
    const flow = prepare(trial)
    await login(trial, { ...flow, asked: { ...flow.asked, dpop_jkt: flow.key.thumbprint } }, { pushing: { proven: flow.key } })
  }),
  'dpop-negative-tests': only(negative),
}

