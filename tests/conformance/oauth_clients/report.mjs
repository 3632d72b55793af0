// How does a script say which of its cases went well? A line of JSON for each.

// Runs `cases` one after another; a case fails when it throws.
export async function run(cases) {
  for (const [name, action] of Object.entries(cases)) {
    let why = ''
    try {
      await action()
    } catch (error) {
      const cause = error.cause ? ` (${error.cause.message ?? JSON.stringify(error.cause)})` : ''
      why = `${error.code ?? error.name}: ${error.message}${cause} ${error.error ?? ''} ${error.error_description ?? ''}`
    }
    console.log(JSON.stringify({ name, why: why.trim() }))
  }
}

export function same(seen, expected, what = '') {
  if (seen !== expected) throw new Error(`${what} ${JSON.stringify(seen)} instead of ${JSON.stringify(expected)}`)
}

// Expects a refusal with the error code of OAuth 2.
export async function refused(code, action) {
  try {
    await action()
  } catch (error) {
    const said = error.error ?? error.cause?.error ?? error.cause?.get?.('error')
    if (said === code) return
    throw error
  }
  throw new Error(`no refusal, ${code} was expected`)
}
