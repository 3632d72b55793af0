// How is a request sent exactly as written, with or without a certificate?

import { randomBytes } from 'node:crypto'
import * as https from 'node:https'

// Somebody who logs in a hundred times at once would be an attack: so many requests are under way at a
// time, and the others wait.
const MOST = 6
let under = 0
const waiting = []

export async function inTurn(action) {
  if (under >= MOST) await new Promise((resolve) => waiting.push(resolve))
  else under += 1
  try {
    return await action()
  } finally {
    const next = waiting.shift()
    if (next) next()
    else under -= 1
  }
}

export const ask = (url, options) => inTurn(() => send(url, options))

// Sends a request; `form` is a list of pairs or an object, so that a parameter can stand there twice.
// `certificate` is { cert, key } in PEM.
function send(url, { method, headers = {}, form, json, certificate } = {}) {
  const pairs = form && (Array.isArray(form) ? form : Object.entries(form).filter(([, value]) => value !== undefined))
  const body = form ? new URLSearchParams(pairs).toString() : json === undefined ? '' : JSON.stringify(json)
  const type = form ? 'application/x-www-form-urlencoded' : 'application/json'
  const described = form || json !== undefined ? { 'content-type': type, 'content-length': Buffer.byteLength(body) } : {}
  const options = { method: method ?? (form || json !== undefined ? 'POST' : 'GET'), ...certificate, agent: false }
  return new Promise((resolve, reject) => {
    const sent = https.request(url, { ...options, headers: { accept: 'application/json', ...described, ...headers } }, (answer) => {
      const parts = []
      answer.on('data', (part) => parts.push(part))
      answer.on('end', () => resolve(read(answer, Buffer.concat(parts).toString())))
      // An answer that breaks off is told here and not by the request.
      answer.on('error', (error) => reject(new Error(`${options.method} ${url} broke off: ${error.message}`)))
    })
    sent.setTimeout(20_000, () => sent.destroy(new Error(`no answer of ${options.method} ${url}`)))
    sent.on('error', reject)
    sent.end(body)
  })
}

function read(answer, text) {
  const type = answer.headers['content-type'] ?? ''
  let json
  try {
    json = JSON.parse(text)
  } catch {
    // It is for the caller to say whether it had to be JSON.
  }
  return { status: answer.statusCode, headers: answer.headers, type, text, json }
}

// Something that nobody guesses.
export const random = (bytes = 24) => randomBytes(bytes).toString('base64url')

export const seconds = () => Math.floor(Date.now() / 1000)

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
