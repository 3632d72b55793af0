//! Do the real programs work together, and does each survive without the others?

mod after_restarts;
mod alerts;
mod backend_jwt;
mod bad_input;
mod change;
mod connector;
mod credentials;
mod cut_off;
mod doors;
mod fleet;
mod gitops;
mod groups;
mod lifecycle;
mod limits;
mod limits_shown;
mod open_ends;
mod open_everywhere;
mod outages;
mod people;
mod refusals;
mod refused_everywhere;
mod rollouts;
mod story;
mod streams;
mod test_keys;
mod tracing;
