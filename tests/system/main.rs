//! Do the real programs work together, and does each survive without the others?

mod backend_jwt;
mod bad_input;
mod change;
mod connector;
mod credentials;
mod open_ends;
mod outages;
mod refusals;
mod story;
mod tracing;
