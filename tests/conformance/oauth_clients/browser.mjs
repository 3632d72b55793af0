// What does a person with a browser do between a client's request and its answer? A browser without
// scripts: it follows redirects, keeps cookies and sends forms.

import * as http from 'node:http'
import * as https from 'node:https'

// What tells a page that somebody goes to from what a script asks for. `fetch` says that it is a script.
const NAVIGATION = { accept: 'text/html,*/*;q=0.8', 'sec-fetch-mode': 'navigate' }

const send = (url, { method, headers, body }) =>
  new Promise((resolve, reject) => {
    const text = body?.toString() ?? ''
    const length = body ? { 'content-length': Buffer.byteLength(text) } : {}
    const { request } = url.protocol === 'https:' ? https : http
    const sent = request(url, { method, headers: { ...headers, ...length } }, (answer) => {
      const parts = []
      answer.on('data', (part) => parts.push(part))
      answer.on('end', () =>
        resolve({
          status: answer.statusCode,
          location: answer.headers.location,
          cookies: answer.headers['set-cookie'] ?? [],
          text: Buffer.concat(parts).toString(),
        }),
      )
    })
    sent.on('error', reject)
    sent.end(text)
  })

export class Browser {
  #cookies = new Map()
  #person

  constructor(person) {
    this.#person = person
  }

  async #ask(url, init = {}) {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = { ...NAVIGATION, ...init.headers, ...(cookie ? { cookie } : {}) }
    const answer = await send(new URL(url), { method: 'GET', ...init, headers })
    for (const line of answer.cookies) {
      const [pair] = line.split(';')
      const at = pair.indexOf('=')
      const [name, value] = [pair.slice(0, at), pair.slice(at + 1)]
      if (/max-age=0/i.test(line) || value === '') this.#cookies.delete(name)
      else this.#cookies.set(name, value)
    }
    return answer
  }

  // Goes to `url`, logs in and agrees where that is asked, until the address begins with `until` or
  // there is a page that wants nothing more. Answers that address or page.
  async visit(url, until) {
    let answer = await this.#ask(url)
    let at = new URL(url)
    for (let step = 0; step < 12; step++) {
      if ([301, 302, 303, 307].includes(answer.status)) {
        at = new URL(answer.location, at)
        if (until && at.href.startsWith(until)) return { url: at }
        answer = await this.#ask(at)
        continue
      }
      const page = answer.text
      const form = read(page, at)
      if (!form) return { url: at, status: answer.status, page }
      // An answer by form_post: what the client's page gets.
      if (until && form.action.href.startsWith(until)) return { url: at, posted: form }
      at = form.action
      const body = this.#fill(form)
      answer = await this.#ask(at, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body,
      })
    }
    throw new Error(`no end of pages at ${at}`)
  }

  #fill(form) {
    const { fields, names, buttons } = form
    if (names.has('password')) {
      fields.set('name', this.#person.name)
      fields.set('password', this.#person.password)
    }
    if (names.has('user_code') && this.#person.userCode) fields.set('user_code', this.#person.userCode)
    const yes = buttons.find(([, value]) => ['allow', 'yes', 'approve'].includes(value))
    if (yes) fields.set(...yes)
    return fields
  }
}

const attribute = (tag, name) => {
  const found = tag.match(new RegExp(`\\s${name}="([^"]*)"`))
  return found ? plain(found[1]) : undefined
}

const plain = (text) =>
  text.replace(/&(lt|gt|quot|#39|#x27|amp);/g, (_, name) => ({ lt: '<', gt: '>', quot: '"', amp: '&' })[name] ?? "'")

// The first form of a page.
function read(page, at) {
  const form = page.match(/<form[^>]*>[\s\S]*?<\/form>/)?.[0]
  if (!form) return undefined
  const [open] = form.match(/<form[^>]*>/)
  const [fields, names] = [new URLSearchParams(), new Set()]
  for (const [tag] of form.matchAll(/<input[^>]*>/g)) {
    const name = attribute(tag, 'name')
    if (!name) continue
    names.add(name)
    if (attribute(tag, 'type') === 'hidden') fields.append(name, attribute(tag, 'value') ?? '')
  }
  const buttons = [...form.matchAll(/<button[^>]*>/g)]
    .map(([tag]) => [attribute(tag, 'name'), attribute(tag, 'value')])
    .filter(([name]) => name)
  return { action: new URL(attribute(open, 'action') ?? '', at), fields, names, buttons }
}
