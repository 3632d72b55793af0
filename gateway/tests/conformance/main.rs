//! Does the real program read HTTP as strictly as the public suites ask, and in how much memory?
//!
//! The suites' data lie in the folder that `TURNPIKE_SUITES` names, or `../shared/suites` beside the
//! workspace. Without it a test says so and passes.

#[cfg(test)]
mod http1;
#[cfg(test)]
mod judge;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod origin;
#[cfg(test)]
mod program;
#[cfg(test)]
#[path = "../../../tests/suites/mod.rs"]
mod suites;
