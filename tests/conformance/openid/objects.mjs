// Does the server do what a request object says? (OpenID Connect Core section 6)

import { random } from './http.mjs'
import { signed } from './jwt.mjs'
import { authorize, browserOf, clientOf, codeOf, redeem, request } from './oauth.mjs'
import { registered } from './registration.mjs'
import { LeftOut, must } from './trial.mjs'

// What has to stand beside an object (section 6.1).
const outside = ({ client_id, response_type, scope }) => ({ client_id, response_type, scope })

function unsignedOrLeftOut(trial) {
  const objects = trial.server.metadata.request_object_signing_alg_values_supported
  if (objects && !objects.includes('none')) throw new LeftOut('no unsigned request objects here, which is right')
}

// A login whose request is `carried(object)` beside what has to be.
async function loginWith(trial, client, asked, carried, unsupported) {
  const sent = { ...outside(asked), ...carried }
  const got = await authorize(trial, browserOf(trial), sent, { until: client.redirect })
  if (unsupported && got.answer?.error === unsupported) throw new LeftOut(`${unsupported}, which is right`)
  const code = codeOf(trial, asked, got)
  await redeem(trial, client, asked, code)
}

// An object in the request; `beside`: what stands there too and does not count; `own`: of a client that
// has registered itself.
export const unsignedObject = ({ beside = () => ({}), own = false } = {}) => async (trial) => {
  unsignedOrLeftOut(trial)
  const client = own ? await registered(trial) : clientOf(trial, 'basic')
  const asked = request(trial, client)
  const object = signed({ alg: 'none' }, asked)
  await loginWith(trial, client, asked, { ...beside(client), request: object }, 'request_not_supported')
}

// An object at an address of the client's.
export const unsignedByReference = ({ mayRefuse = false } = {}) => async (trial) => {
  if (mayRefuse) unsignedOrLeftOut(trial)
  else must(trial.server.metadata.request_uri_parameter_supported !== false, 'request_uri_parameter_supported is false')
  const uri = trial.site.address(`/${random()}.jwt`)
  const client = await registered(trial, { request_uris: [uri], request_object_signing_alg: 'none' })
  const asked = request(trial, client)
  trial.site.put(uri, 'application/oauth-authz-req+jwt', signed({ alg: 'none' }, asked))
  await loginWith(trial, client, asked, { request_uri: uri }, mayRefuse && 'request_uri_not_supported')
}

export const signedByReference = async (trial) => {
  must(trial.server.metadata.request_uri_parameter_supported !== false, 'request_uri_parameter_supported is false')
  must(trial.server.lists('request_object_signing_alg_values_supported', 'RS256'), 'RS256 is not announced for request objects')
  const uri = trial.site.address(`/${random()}.jwt`)
  const client = await registered(trial, { request_uris: [uri], request_object_signing_alg: 'RS256' })
  const asked = request(trial, client)
  const claims = { ...asked, iss: client.id, aud: trial.server.metadata.issuer }
  trial.site.put(uri, 'application/oauth-authz-req+jwt', signed({ alg: 'RS256', kid: client.key.kid }, claims, client.key))
  await loginWith(trial, client, asked, { request_uri: uri })
}

