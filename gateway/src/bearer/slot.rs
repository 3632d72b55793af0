//! Which token lies ready, and what does a call do that finds none?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use chassis::clock::Clock;
use http::HeaderValue;
use plan::OAuth2Plan;
use tokio::sync::{Notify, watch};

/// A token that was got because a backend refused the one before is not replaced within this time:
/// a backend that refuses every token must not make a flood of token requests.
const CALM_US: i64 = 10_000_000;

/// A token, ready to be shown.
#[derive(Debug)]
pub struct Token {
    /// Its place in the order of tokens; from 1.
    pub(super) number: u64,
    /// The value of an Authorization field. It does not print.
    pub value: HeaderValue,
    pub(super) got_us: i64,
    pub(super) good_until_us: i64,
    /// Whether a backend had refused the one before.
    pub(super) forced: bool,
}

/// Why a call gets no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoToken {
    /// The token endpoint gave none, now or a moment ago.
    #[error("the token endpoint gives no token")]
    Refused,
    /// It takes too long.
    #[error("the token endpoint takes too long")]
    Late,
    /// More tokens are kept than may be.
    #[error("too many tokens are kept")]
    Busy,
    /// Nobody keeps it any more: ask for it anew.
    #[error("the token is not kept any more")]
    Gone,
}

/// What its keeper is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It asks for a token.
    Asking,
    /// The last one is as good as it gets.
    Kept,
    /// It was refused and does not ask again yet.
    Pausing,
    /// It asks as soon as somebody wants one.
    Waiting,
    /// It has gone.
    Ended,
}

/// The place of one token.
#[derive(Debug)]
pub struct Slot {
    pub(super) plan: OAuth2Plan,
    pub(super) token: ArcSwapOption<Token>,
    pub(super) state: watch::Sender<State>,
    pub(super) used: AtomicBool,
    /// The number of the last token that a backend refused.
    pub(super) refused: AtomicU64,
    /// Somebody wants a token, or another one.
    pub(super) wanted: Notify,
}

impl Slot {
    pub(super) fn new(plan: OAuth2Plan) -> Self {
        Self {
            plan,
            token: ArcSwapOption::empty(),
            state: watch::Sender::new(State::Asking),
            used: AtomicBool::new(true),
            refused: AtomicU64::new(0),
            wanted: Notify::new(),
        }
    }

    /// The token, where a good one is here.
    pub fn fresh(&self, now_us: i64) -> Option<Arc<Token>> {
        let token = self.good(now_us)?;
        // Read first: a line of memory that many cores write to is slow for all of them.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
        Some(token)
    }

    pub(super) fn good(&self, now_us: i64) -> Option<Arc<Token>> {
        let token = self.token.load_full()?;
        let good =
            now_us < token.good_until_us && self.refused.load(Ordering::Acquire) != token.number;
        good.then_some(token)
    }

    /// The token, once there is one. Who comes while its keeper pauses is not kept waiting.
    pub async fn wait(&self, clock: &Clock, at_most: Duration) -> Result<Arc<Token>, NoToken> {
        let mut state = self.state.subscribe();
        let waited = clock.timeout(at_most, async {
            loop {
                let now = *state.borrow_and_update();
                if let Some(token) = self.fresh(clock.unix_us()) {
                    return Ok(token);
                }
                match now {
                    State::Pausing => return Err(NoToken::Refused),
                    State::Ended => return Err(NoToken::Gone),
                    State::Asking => {}
                    State::Kept | State::Waiting => self.wanted.notify_one(),
                }
                if state.changed().await.is_err() {
                    return Err(NoToken::Gone);
                }
            }
        });
        waited.await.unwrap_or(Err(NoToken::Late))
    }

    /// A backend refused `token`. Whether there is, or will be, another one worth trying.
    pub fn refuse(&self, token: &Token, now_us: i64) -> bool {
        let current = self.token.load();
        if current.as_ref().is_some_and(|current| current.number != token.number) {
            return true;
        }
        if token.forced && now_us.saturating_sub(token.got_us) < CALM_US {
            return false;
        }
        self.refused.store(token.number, Ordering::Release);
        self.wanted.notify_one();
        true
    }

    /// Whether nobody keeps it any more.
    pub fn has_ended(&self) -> bool {
        *self.state.borrow() == State::Ended
    }
}
