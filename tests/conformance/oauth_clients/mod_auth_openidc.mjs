// Does a browser get through Apache's mod_auth_openidc, which asks the key manager who it is?
//
// mod_auth_openidc.mjs FOLDER SETTINGS: `protected` of the settings is the address behind Apache.

import { Browser } from './browser.mjs'
import { run, same } from './report.mjs'

const settings = JSON.parse(process.argv[3])
const { person, protected: at } = settings

const enter = async (browser) => {
  const back = await browser.visit(at)
  if (back.status !== 200) throw new Error(`stranded at ${back.url}: ${back.status} ${back.page}`)
  return back
}

await run({
  'a person logs in and the page knows who it is': async () => {
    const back = await enter(new Browser(person))
    same(back.url.href, at, 'address')
    same(back.page.trim(), `${person.sub} ${person.email}`, 'page')
  },
  'a second browser logs in too': () => enter(new Browser(person)),
  'a forged answer gets nothing': async () => {
    const answer = await fetch(`${settings.callback}?code=x&state=y&iss=${encodeURIComponent(settings.issuer)}`, { redirect: 'manual' })
    if (answer.status === 200) throw new Error('it was taken')
  },
})
