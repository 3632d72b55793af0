//! Who keeps a token fresh?
//!
//! One task for each: it asks for the first token, for the next one well before the last expires,
//! and for another one when a backend refuses it. What fails is asked for again after a pause that
//! grows; what nobody uses any more is given up, and asked for when it is used again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chassis::backoff::Backoff;
use chassis::clock::Clock;
use plan::SecretText;

use super::grant::{GrantError, Granted, request};
use super::slot::{Slot, State, Token};
use crate::generation::Current;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(30);
/// A token that nobody has wanted for so long is not kept.
const IDLE: Duration = Duration::from_mins(5);
/// So much of a token's life may be over when it reaches a backend, at most.
const MARGIN: Duration = Duration::from_secs(5);

/// What a keeper needs.
#[derive(Clone, Debug)]
pub(super) struct Keeper {
    /// Who is believed to be the token endpoint.
    pub(super) current: Arc<Current>,
    pub(super) clock: Clock,
    /// How long a token endpoint may take.
    pub(super) timeout: Duration,
}

impl Keeper {
    /// Keeps the token of `slot` until nobody wants it any more.
    pub(super) async fn keep(self, slot: &Slot) {
        let mut pauses = Backoff::between(FIRST_PAUSE, LAST_PAUSE);
        let (mut refresh, mut number) = (None, 0);
        loop {
            slot.state.send_replace(State::Asking);
            let refused = number > 0 && slot.refused.load(Ordering::Acquire) == number;
            match self.ask(slot, &mut refresh).await {
                Ok(granted) => {
                    pauses.reset();
                    number += 1;
                    let life = granted.life;
                    slot.token.store(Some(Arc::new(self.token(granted, number, refused))));
                    slot.state.send_replace(State::Kept);
                    if !self.rest(slot, number, life).await {
                        break;
                    }
                }
                Err(error) => {
                    told(slot, &error);
                    slot.state.send_replace(State::Pausing);
                    self.clock.sleep(pauses.next()).await;
                    slot.state.send_replace(State::Waiting);
                    let still_good = slot.good(self.clock.unix_us()).is_some();
                    if !still_good
                        && self.clock.timeout(IDLE, slot.wanted.notified()).await.is_err()
                    {
                        break;
                    }
                }
            }
        }
        slot.state.send_replace(State::Ended);
    }

    /// Waits until another token is needed; whether one is.
    async fn rest(&self, slot: &Slot, number: u64, life: Duration) -> bool {
        let early = life.mul_f64(0.2) + life.mul_f64(0.1).mul_f64(jitter());
        let until_us = self.clock.unix_us().saturating_add(micros(life.saturating_sub(early)));
        let refused = || slot.refused.load(Ordering::Acquire) == number;
        slot.used.store(false, Ordering::Relaxed);
        loop {
            let left_us = until_us.saturating_sub(self.clock.unix_us());
            let left = Duration::from_micros(left_us.max(0).cast_unsigned());
            // A word may be left from before this token came.
            match self.clock.timeout(left, slot.wanted.notified()).await {
                Ok(()) if refused() => return true,
                Ok(()) => {}
                Err(_) => break,
            }
        }
        if slot.used.load(Ordering::Relaxed) {
            return true;
        }
        // Nobody called for the whole time: the next token is asked for by who wants it.
        slot.state.send_replace(State::Waiting);
        self.clock.timeout(IDLE, slot.wanted.notified()).await.is_ok()
    }

    /// By the refresh token where there is one, and by the grant itself where that is not taken.
    async fn ask(&self, slot: &Slot, refresh: &mut Option<String>) -> Result<Granted, GrantError> {
        let by_refresh = refresh.take().and_then(|token| slot.plan.refreshed_by(&token));
        if let Some(form) = by_refresh {
            match self.once(slot, &form).await {
                Ok(granted) => {
                    refresh.clone_from(&granted.refresh);
                    return Ok(granted);
                }
                Err(error) => told(slot, &error),
            }
        }
        let granted = self.once(slot, &slot.plan.form).await?;
        refresh.clone_from(&granted.refresh);
        Ok(granted)
    }

    async fn once(&self, slot: &Slot, form: &SecretText) -> Result<Granted, GrantError> {
        let backends = Arc::clone(&self.current.load().backends);
        // Boxed, because a task for each token lies in memory all the time.
        let asked = Box::pin(request(&slot.plan, form, backends.usual()));
        self.clock
            .timeout(self.timeout, asked)
            .await
            .map_err(|_| GrantError::Timeout(self.timeout))?
    }

    fn token(&self, granted: Granted, number: u64, forced: bool) -> Token {
        let Granted { value, life, .. } = granted;
        let now_us = self.clock.unix_us();
        let good = life.saturating_sub(MARGIN.min(life / 10));
        let good_until_us = now_us.saturating_add(micros(good));
        Token { number, value, got_us: now_us, good_until_us, forced }
    }
}

fn told(slot: &Slot, error: &GrantError) {
    let error = error as &dyn std::error::Error;
    let (server, path) = (&slot.plan.server.authority, &slot.plan.path);
    tracing::warn!(error, %server, %path, "there is no token for a backend");
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// From 0 to 1: gateways that started together do not ask together for ever.
fn jitter() -> f64 {
    f64::from(u32::try_from(chassis::random::below(1_000)).unwrap_or(0)) / 1_000.0
}
