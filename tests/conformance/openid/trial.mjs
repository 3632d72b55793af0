// What became of a module: passed, passed with a remark, left out, or failed?

// A module throws this when the server says of itself that it does not have what is looked at.
export class LeftOut extends Error {}

export class Failure extends Error {}

export function must(right, why) {
  if (!right) throw new Failure(why)
}

export function same(seen, expected, what) {
  must(seen === expected, `${what} is ${JSON.stringify(seen)} instead of ${JSON.stringify(expected)}`)
}

// One run of one module.
export class Trial {
  remarks = []

  // `world`: what all modules of a run share.
  constructor(name, world) {
    this.name = name
    Object.assign(this, world)
  }

  // What the suite would warn of and not refuse.
  should(right, why) {
    if (!right && !this.remarks.includes(why)) this.remarks.push(why)
  }
}

// A module that is run only where `applies(world)`.
export const where = (applies, module) => Object.assign(module, { applies })

// Runs all modules that apply at a time and prints a line of JSON for each.
export async function run(modules, world) {
  const one = async ([name, module]) => {
    const trial = new Trial(name, world)
    let [why, leftOut] = ['', '']
    try {
      await module(trial)
    } catch (error) {
      if (error instanceof LeftOut) leftOut = error.message
      else why = error instanceof Failure ? error.message : `${error.stack ?? error}`
    }
    console.log(JSON.stringify({ name, why: why.trim(), leftOut, remarks: trial.remarks }))
  }
  const applicable = Object.entries(modules).filter(([, { applies = () => true }]) => applies(world))
  await Promise.all(applicable.map(one))
}
