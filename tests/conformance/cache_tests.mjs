// What does the public suite `http-cache-tests` say of a cache?
//
// usage: node cache_tests.mjs FOLDER PORT BASE
//
// Starts the suite's server on PORT of this machine, asks it through the cache at BASE, and prints
// per kind of test how many there are and which did not pass, with the suite's reason.

import http from 'node:http'
import path from 'node:path'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const [folder, port, base] = process.argv.slice(2)
const load = name => import(pathToFileURL(path.join(folder, 'http-cache-tests', name)))

// The suite's server would listen on every address of the machine.
const listen = http.Server.prototype.listen
http.Server.prototype.listen = function (port) { return listen.call(this, port, '127.0.0.1') }
Object.assign(process.env, {
  npm_config_protocol: 'http',
  npm_config_port: port,
  npm_config_pidfile: '/dev/null'
})
const print = console.log
console.log = () => {}

await load('server/server.mjs')
const { runTests, getResults } = await load('client/runner.mjs')
const suites = [...(await load('tests/index.mjs')).default, (await load('tests/surrogate-control.mjs')).default]
const fetch = createRequire(path.join(folder, 'x.js'))('node-fetch')
await runTests(suites, fetch, false, base)

const results = getResults()
const said = {}
for (const test of suites.flatMap(suite => suite.tests)) {
  if (test.browser_only) continue
  const kind = said[test.kind || 'required'] ??= { tests: 0, failed: {} }
  kind.tests += 1
  if (results[test.id] !== true) kind.failed[test.id] = String(results[test.id])
}
print(JSON.stringify(said))
process.exit(0)
