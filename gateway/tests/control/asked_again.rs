//! Does a call that waits end when its issuer does not stand by its token any more, or nobody knows?

use std::sync::atomic::Ordering;
use std::time::Duration;

use chassis::Clock;

use crate::program::Stand;
use crate::scripted::Trouble;
use crate::shown::{Kind, Standing};

/// When a word about a token has run out, its issuer is asked for so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// A gateway before a provider of whom a word counts a second.
async fn stand() -> Stand {
    Stand::start(|resources| {
        resources.replace("introspection: {", "introspection: { cacheSeconds: 1,")
    })
    .await
}

/// A call that waits with a good credential of this kind is answered with `expected` after `change`, and
/// how long that takes.
async fn check(kind: Kind, change: impl FnOnce(&Stand), expected: u16) -> Duration {
    let stand = stand().await;
    let (target, fields) = stand.callers.shows(kind, Standing::Known, kind == Kind::Jwt);
    let call = stand.gateway.call((target.replace("/x", "/held"), fields));
    let clock = Clock::system();
    let changed = async {
        stand
            .gateway
            .until("the call waits", async || stand.held.load(Ordering::Relaxed) == 1)
            .await;
        change(&stand);
        clock.instant()
    };
    let (said, changed) = tokio::join!(call, changed);
    assert_eq!(said, expected);
    clock.instant().duration_since(changed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_taken_back_ends_the_call_at_once_and_is_bad() {
    let take_back = |stand: &Stand| {
        stand.key_manager.knows(|known| known.tokens.clear());
    };
    let took = check(Kind::ProviderOpaque, take_back, 401).await;
    assert!(took < PATIENCE, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_is_away_ends_the_call_after_a_while_and_nobody_says_that_it_is_bad() {
    let fails = |stand: &Stand| stand.key_manager.has(Trouble::Failing);
    let took = check(Kind::ProviderOpaque, fails, 503).await;
    assert!(took > PATIENCE / 2, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_is_away_for_a_moment_or_stands_by_its_token_ends_nothing() {
    let stand = stand().await;
    let (target, fields) = stand.callers.shows(Kind::ProviderOpaque, Standing::Known, false);
    let clock = Clock::system();
    let call = stand.gateway.call((target.replace("/x", "/held"), fields));
    let long = clock.timeout(3 * PATIENCE, call);
    let moment = async {
        stand
            .gateway
            .until("the call waits", async || stand.held.load(Ordering::Relaxed) == 1)
            .await;
        stand.key_manager.has(Trouble::Failing);
        clock.sleep(PATIENCE / 2).await;
        stand.key_manager.has(Trouble::None);
    };
    let (waited, ()) = tokio::join!(long, moment);
    assert!(waited.is_err(), "it goes on: {waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_age_that_its_api_allows_a_call_ends_that_may_have_been_revoked() {
    let silent = |stand: &Stand| stand.key_manager.has(Trouble::Silent);
    let took = check(Kind::Jwt, silent, 503).await;
    assert!(took < PATIENCE, "{took:?}");
}
