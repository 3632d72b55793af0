//! Which rule decided about a call, and why?
//!
//! Only somebody with a test key for the API is told (`find_api`). What is told is put together after the
//! fact, from what the call left behind (`view`, `facts`), in the order of the stages (`stage`, `tell`),
//! as fields of the answer or as a document in its place (`say`).

mod facts;
mod find;
mod say;
mod stage;
mod tell;
mod view;

pub use find::find_api;
pub use tell::tell;
pub use view::View;
