// What does the server say about itself, and how is it spoken to?

import { ask } from './http.mjs'
import { must } from './trial.mjs'

export class Server {
  constructor(answer) {
    this.discovery = answer
    this.metadata = answer.json
  }

  static async of(issuer) {
    const answer = await ask(`${issuer}/.well-known/openid-configuration`)
    must(answer.status === 200 && answer.json, `discovery answers ${answer.status}: ${answer.text}`)
    return new Server(answer)
  }

  // The address of an endpoint; for whoever shows a certificate, the one that asks for it (RFC 8705
  // section 5).
  endpoint(name, certificate) {
    const aliases = certificate ? (this.metadata.mtls_endpoint_aliases ?? {}) : {}
    const address = aliases[name] ?? this.metadata[name]
    must(typeof address === 'string', `discovery has no ${name}`)
    return address
  }

  // Its keys as they are now: they may have been rotated.
  async keys() {
    const answer = await ask(this.endpoint('jwks_uri'))
    must(answer.status === 200 && Array.isArray(answer.json?.keys), `jwks_uri answers ${answer.status}: ${answer.text}`)
    return answer.json.keys
  }

  lists(name, value) {
    const list = this.metadata[name]
    return Array.isArray(list) && list.includes(value)
  }
}
