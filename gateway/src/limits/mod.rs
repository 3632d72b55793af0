//! How are units of shared limits had?
//!
//! A worker's desk asks ahead of the calls, and for calls that wait. Questions go over bounded lanes to
//! those who know the way to an authority; a question that nobody answers fails, and the limit's own rule
//! says what becomes of the call. A breaker keeps calls from waiting for an authority that is away. `follow`
//! asks the control plane: `leases` knows what was asked and has to go back, `parts` which parts of limits
//! that are split are this gateway's; it also tells, by `states`, how full limits are.

mod ask;
mod breaker;
mod config;
mod desk;
mod follow;
mod forms;
mod front;
mod leases;
mod parts;
mod states;
pub mod store;
mod to_proto;
mod usage;
mod wait;

pub use ask::{Ask, Lane, Question, Ruled};
pub use breaker::{Breaker, Figures, Pass};
pub use config::Config;
pub use desk::{Desk, Ways};
pub use follow::{Follower, state_of};
pub use forms::{Form, Forms};
pub use front::Front;
pub use wait::{NoRoom, PATIENCE, hold};
