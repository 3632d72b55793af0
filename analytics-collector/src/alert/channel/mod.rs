//! Who is told of alerts that does not watch?
//!
//! Each channel is a `deliver` of its own, so that one that is dead holds up no other. It sends `message`s by
//! `webhook` or by `mail`. The `switchboard` starts and stops those that somebody applies.

pub mod deliver;
pub mod mail;
pub mod message;
pub mod switchboard;
pub mod webhook;

pub use deliver::{Channel, ChannelError};
pub use switchboard::{MailServer, Switchboard};
