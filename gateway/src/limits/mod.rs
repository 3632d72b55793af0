//! How are units of shared limits had?
//!
//! A worker's desk asks ahead of the calls, and for calls that wait. Questions go over bounded lanes to
//! those who know the way to an authority; a question that nobody answers fails, and the limit's own rule
//! says what becomes of the call. A breaker keeps calls from waiting for an authority that is away.

mod ask;
mod breaker;
mod desk;
mod front;
pub mod store;
mod wait;

pub use ask::{Ask, Lane, Question};
pub use breaker::{Breaker, Figures, Pass};
pub use desk::{Desk, Ways};
pub use front::Front;
pub use wait::{NoRoom, PATIENCE, hold};
