// What does a server find at a client's own addresses?

import { readFileSync } from 'node:fs'
import * as https from 'node:https'
import { Failure } from './trial.mjs'

// An https site of the harness: files by path, and whoever waits for what is posted there.
export class Site {
  #files = new Map()
  #awaited = new Map()

  static async open({ certificate, key }) {
    const site = new Site()
    const pair = { cert: readFileSync(certificate), key: readFileSync(key) }
    site.server = https.createServer(pair, (request, answer) => site.#answer(request, answer))
    await new Promise((resolve) => site.server.listen(0, '127.0.0.1', resolve))
    return site
  }

  address(path) {
    return `https://127.0.0.1:${this.server.address().port}${path}`
  }

  put(address, type, body) {
    this.#files.set(new URL(address).pathname, { type, body })
  }

  // The form that is posted to `address`, sooner or later.
  posted(address, ms = 10_000) {
    const path = new URL(address).pathname
    const late = () => new Failure(`nothing was posted to ${path}`)
    return new Promise((resolve, reject) => {
      setTimeout(() => reject(late()), ms).unref()
      this.#awaited.set(path, resolve)
    })
  }

  #answer(request, answer) {
    const path = new URL(request.url, 'https://site').pathname
    if (request.method === 'POST') {
      const parts = []
      request.on('data', (part) => parts.push(part))
      request.on('end', () => {
        this.#awaited.get(path)?.({ type: request.headers['content-type'], text: Buffer.concat(parts).toString() })
        answer.writeHead(200, { 'cache-control': 'no-store' }).end()
      })
      return
    }
    const file = this.#files.get(path)
    if (!file) return answer.writeHead(404).end()
    answer.writeHead(200, { 'content-type': file.type }).end(file.body)
  }

  close() {
    this.server.close()
    this.server.closeAllConnections()
  }
}
