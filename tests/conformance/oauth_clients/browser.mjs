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
          refresh: answer.headers.refresh,
          policy: answer.headers['content-security-policy'] ?? '',
          cookies: answer.headers['set-cookie'] ?? [],
          text: Buffer.concat(parts).toString(),
        }),
      )
      // An answer that breaks off is told here and not by the request.
      answer.on('error', (error) => reject(new Error(`${method} ${url.pathname} broke off: ${error.message}`)))
    })
    sent.setTimeout(60_000, () => sent.destroy(new Error(`no answer of ${method} ${url.pathname}`)))
    sent.on('error', reject)
    sent.end(text)
  })

export class Browser {
  // Which pages wanted something, in their order: `login`, `consent` or `other`.
  seen = []
  // What pages had it load in frames that their policy lets it load.
  frames = []
  #cookies = new Map()
  #person
  #refuses

  // `refuses`: the person says no where an application asks for something.
  constructor(person, { refuses = false } = {}) {
    this.#person = person
    this.#refuses = refuses
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
  // there is a page that wants nothing more. Answers that address or page. `init` is the first request,
  // where it is not a GET; `looks`: the first page is not answered.
  async visit(url, until, { init, looks = false } = {}) {
    let answer = await this.#ask(url, init)
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
      // An answer by form_post: what the client's page gets.
      if (form && until && form.action.href.startsWith(until)) return { url: at, posted: form }
      this.#load(page, at, answer.policy)
      const onward = !form && answer.refresh?.match(/url=(.*)$/)?.[1]
      if (onward) {
        at = new URL(onward, at)
        if (until && at.href.startsWith(until)) return { url: at }
        answer = await this.#ask(at)
        continue
      }
      if (!form || looks) return { url: at, status: answer.status, page }
      const kind = form.names.has('password') ? 'login' : form.asks ? 'consent' : 'other'
      this.seen.push(kind)
      const cancel = kind === 'consent' && this.#refuses && !form.no && link(page, at, 'Cancel')
      if (cancel) {
        at = cancel
        answer = await this.#ask(at)
        continue
      }
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

  #load(page, at, policy) {
    const allowed = /(?:frame-src|default-src) ([^;]*)/.exec(policy.match(/frame-src[^;]*/)?.[0] ?? policy)?.[1].split(' ')
    for (const [tag] of page.matchAll(/<iframe[^>]*>/g)) {
      const source = new URL(attribute(tag, 'src') ?? '', at)
      if (!allowed || allowed.includes(source.origin) || allowed.includes('*')) this.frames.push(source)
    }
  }

  #fill(form) {
    const { fields, names, yes, no } = form
    if (names.has('password')) {
      fields.set(names.has('login') ? 'login' : 'name', this.#person.name)
      fields.set('password', this.#person.password)
    }
    if (names.has('user_code') && this.#person.userCode) fields.set('user_code', this.#person.userCode)
    const chosen = (this.#refuses && no) || yes
    if (chosen) fields.set(...chosen)
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
  // A button may stand outside of its form and name it.
  const id = attribute(open, 'id')
  const outside = [...page.replace(form, '').matchAll(/<button[^>]*>/g)].filter(([tag]) => id && attribute(tag, 'form') === id)
  const buttons = [...form.matchAll(/<button[^>]*>/g), ...outside]
    .map(([tag]) => [attribute(tag, 'name'), attribute(tag, 'value')])
    .filter(([name]) => name)
  const button = (...values) => buttons.find(([, value]) => values.includes(value))
  const [yes, no] = [button('allow', 'yes', 'approve'), button('deny', 'no')]
  return {
    action: new URL(attribute(open, 'action') ?? '', at),
    method: attribute(open, 'method') ?? 'get',
    fields,
    names,
    yes,
    no,
    asks: Boolean(yes) || fields.get('prompt') === 'consent',
  }
}

// Where the link goes that has `text` in it.
function link(page, at, text) {
  const found = [...page.matchAll(/(<a[^>]*>)([\s\S]*?)<\/a>/g)].find(([, , inside]) => inside.includes(text))
  return found && new URL(attribute(found[1], 'href') ?? '', at)
}
