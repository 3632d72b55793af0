//! What does the key manager say to the other services?

mod collector;

pub use collector::deliver;
