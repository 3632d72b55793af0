//! What do two gateways say to each other while one takes over from the other?
//!
//! Words are JSON behind their length. A field that is not known is passed over, so that two
//! releases understand each other in both orders; a change that cannot be is a new version.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::error::HandoverError;

/// No word is longer.
const LONGEST: usize = 256 * 1024;

/// What is said.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub(super) enum Word {
    /// New: may I take over?
    Take { version: u32 },
    /// Old: these are my sockets; each follows behind, in this order.
    Offer { version: u32, sockets: Vec<Passed> },
    /// New: I serve.
    Serving,
    /// Old: I accept nothing any more, neither calls nor questions of operators.
    Yours,
    /// Old: I write nothing to the data directory any more but what is left of my own usage events, and my own counters.
    Released,
}

/// A socket that is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Passed {
    pub(super) role: Role,
    pub(super) address: SocketAddr,
}

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Calls, in the clear or under TLS.
    Calls,
    /// Questions of operators.
    Operations,
}

pub(super) async fn say(stream: &mut UnixStream, word: &Word) -> Result<(), HandoverError> {
    let text = serde_json::to_vec(word).map_err(|error| HandoverError::Word(error.to_string()))?;
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(&text).await?;
    Ok(())
}

pub(super) async fn hear(stream: &mut UnixStream) -> Result<Word, HandoverError> {
    let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
    if length > LONGEST {
        return Err(HandoverError::Word(format!("{length} bytes")));
    }
    let mut text = vec![0; length];
    stream.read_exact(&mut text).await?;
    serde_json::from_slice(&text).map_err(|error| HandoverError::Word(error.to_string()))
}
