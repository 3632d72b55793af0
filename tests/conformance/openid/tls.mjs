// Does an address speak TLS as FAPI 2.0 wants it? (FAPI 2.0 Security Profile section 5.2, BCP 195)

import * as tls from 'node:tls'
import { must } from './trial.mjs'

const RECOMMENDED = ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES256-GCM-SHA384']
const OTHERS = 'ALL:!ECDHE+AESGCM:!aNULL@SECLEVEL=0'

// What a connection with these options agrees on; `undefined`: none comes about.
function agreed(address, options) {
  const { hostname, port } = new URL(address)
  return new Promise((resolve) => {
    const socket = tls.connect({ host: hostname, port: port || 443, ...options }, () => {
      resolve({ version: socket.getProtocol(), cipher: socket.getCipher().name })
      socket.destroy()
    })
    socket.on('error', () => resolve(undefined))
    socket.on('close', () => resolve(undefined))
    socket.setTimeout(20_000, () => socket.destroy())
  })
}

// `lax`: more ciphers are allowed where browsers come.
export async function checkTls(trial, address, { lax = false } = {}) {
  for (const version of ['TLSv1', 'TLSv1.1']) {
    const old = await agreed(address, { minVersion: version, maxVersion: version, ciphers: 'ALL@SECLEVEL=0' })
    must(!old, `${address} speaks ${version}`)
  }
  const second = await agreed(address, { maxVersion: 'TLSv1.2' })
  if (second) must(lax || RECOMMENDED.includes(second.cipher), `${address} prefers ${second.cipher}`)
  if (!lax) {
    const other = await agreed(address, { maxVersion: 'TLSv1.2', ciphers: OTHERS })
    must(!other || /CHACHA20/.test(other.cipher), `${address} speaks ${other?.cipher}`)
    trial.should(!other, `${address} speaks ${other?.cipher}`)
  }
  const best = await agreed(address, {})
  must(best, `${address} does not speak TLS`)
  trial.should(best.version === 'TLSv1.3', `${address} does not speak TLS 1.3`)
}
