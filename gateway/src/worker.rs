//! What does one worker own?
//!
//! Everything here belongs to one thread. What workers share is behind `Arc` and read without a
//! lock: the configuration in force, the revocations, and the way to the key manager.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use cache::{Flights, Store};
use chassis::clock::Clock;
use chassis::proxies::Proxies;
use chassis::task::Tasks;
use tokio::sync::futures::Notified;

use crate::access_log::Lines;
use crate::alarm::Alarms;
use crate::assertions::Minted;
use crate::bearer;
use crate::cells::Cells;
use crate::certificate::Told;
use crate::compression::Encoders;
use crate::copies::Copies;
use crate::credentials::{Grounds, People, Proofs, Revocations, Tokens};
use crate::date::imf;
use crate::fault::Fault;
use crate::generation::{Current, Generation};
use crate::handlers::{self, Means, Policies};
use crate::http1::FieldNames;
use crate::limits::{Desk, Front};
use crate::open_calls::{Asked, OpenCall, OpenCalls, Terms};
use crate::overload::Gate;
use crate::received::Bounds;
use crate::rpc::{introspection, missing_keys, passwords, token_endpoint};
use crate::sender::{Pool, http2::Channels};
use crate::servers::{Servers, mixed};
use crate::spares::Spares;
use crate::usage::Recorder;
use crate::watched::Watched;

/// One worker's belongings.
#[derive(Debug)]
pub struct Worker {
    /// The time.
    pub clock: Clock,
    /// The way to units of limits that gateways share.
    pub desk: Rc<Desk>,
    /// Meters of users and addresses that it has met.
    pub front: Front,
    /// How it has written what limits there are.
    pub policies: Policies,
    /// The configuration in force.
    pub in_force: InForce,
    /// What has ended before its time.
    pub revocations: Arc<Revocations>,
    /// Tokens that were verified before.
    pub tokens: RefCell<Tokens>,
    /// Answers that are kept, of all workers.
    pub store: Arc<Store>,
    /// Calls that fetch what is to be kept.
    pub flights: Flights,
    /// What answers are compressed with.
    pub encoders: Encoders,
    /// Where what outlives a call is counted.
    pub tasks: Tasks,
    /// Copies of calls on their way to mirrors.
    pub copies: Copies,
    /// Connections to backends.
    pub pool: Rc<Pool>,
    /// Connections of HTTP/2 to backends.
    pub channels: Channels,
    /// Calls that last.
    pub open_calls: Rc<OpenCalls>,
    /// Deadlines.
    pub alarms: Rc<Alarms>,
    /// Numbers.
    pub cells: Arc<Cells>,
    /// The way out for usage events.
    pub recorder: Recorder,
    /// The way to the key manager.
    pub token_endpoint: token_endpoint::Handle,
    /// The way to issuers that have to be asked about tokens.
    pub introspection: introspection::Handle,
    /// The way to who knows names and passwords.
    pub passwords: passwords::Handle,
    /// Proofs of keys that were used, at all workers.
    pub proofs: Arc<Proofs>,
    /// People whose password was looked at.
    pub people: People,
    /// Who hears of keys that are not known.
    pub missing_keys: missing_keys::Handle,
    /// Tokens that backends are shown.
    pub bearers: bearer::Known,
    /// What backends were told of callers a moment ago.
    pub minted: RefCell<Minted>,
    /// Names for calls.
    pub names: Names,
    /// The servers of endpoints.
    pub servers: Servers,
    /// How large requests may be.
    pub bounds: Bounds,
    /// Whose `x-forwarded-*` fields are believed.
    pub proxies: Proxies,
    /// How much backends are told of callers' certificates.
    pub certificate_told: Told,
    /// Names of fields that clients have said.
    pub field_names: Rc<FieldNames>,
    /// Buffers that wait for their next use.
    pub spares: Rc<Spares>,
    /// The way out for the access log.
    pub lines: Lines,
    /// The APIs that an operator looks at.
    pub watched: Arc<Watched>,
    /// What is let go of under overload.
    pub gate: Gate,
    /// Whether the worker is about to stop: what is said last on a connection says so too.
    pub draining: Cell<bool>,
    /// Whether it has also stopped to wait for calls that may be on their way.
    pub waits_no_more: Cell<bool>,
    /// The time as answers tell it, to the second.
    pub date: RefCell<String>,
    /// The wall clock at a monotonic instant, so that a call reads one clock only.
    pub wall: Cell<(Instant, i64)>,
}

impl Worker {
    /// Reads the wall clock anew; to be called every tick.
    pub fn set_wall(&self, now: Instant) {
        let (before, unix_us) = (self.wall.get().1, self.clock.unix_us());
        self.wall.set((now, unix_us));
        let second = |us: i64| us.div_euclid(1_000_000);
        let mut date = self.date.borrow_mut();
        if date.is_empty() || second(before) != second(unix_us) {
            *date = imf(second(unix_us));
        }
    }

    /// The wall clock at `instant`, in microseconds since the Unix epoch.
    pub fn unix_us(&self, instant: Instant) -> i64 {
        let (at, unix_us) = self.wall.get();
        let since = instant.saturating_duration_since(at).as_micros();
        unix_us.saturating_add(i64::try_from(since).unwrap_or(i64::MAX))
    }

    /// What callers are judged by at this time.
    pub fn grounds<'w>(&'w self, generation: &'w Generation, now_unix: i64) -> Grounds<'w> {
        Grounds {
            generation,
            revocations: &self.revocations,
            tokens: &self.tokens,
            cells: &self.cells,
            missing: &self.missing_keys,
            now_unix,
        }
    }

    /// The same for every kind of credential.
    pub fn means<'w>(&'w self, generation: &'w Generation, now_unix: i64) -> Means<'w> {
        let grounds = self.grounds(generation, now_unix);
        let (proofs, people, proxies) = (&self.proofs, &self.people, &self.proxies);
        Means { grounds, proofs, people, proxies }
    }

    /// Ends the open calls that may not go on; to be called every tick, and when something has moved.
    pub fn look_at_open_calls(self: &Rc<Self>) {
        let (generation, now_unix) = (self.in_force.load(), self.now_unix());
        let grounds = self.grounds(&generation, now_unix);
        for asked in self.open_calls.look(grounds, || self.clock.instant()) {
            // What comes of it stands among the tokens that are known, where the calls look for it.
            drop(self.tasks.spawn_local("ask again", Rc::clone(self).ask_again(asked)));
        }
    }

    async fn ask_again(self: Rc<Self>, (token, question): Asked) {
        let generation = self.in_force.load();
        let grounds = self.grounds(&generation, self.now_unix());
        let asked = handlers::ask_again((&token, question), &self.introspection, grounds);
        match asked.await {
            Ok(()) => self.open_calls.stand_by(&token),
            Err(Fault::InvalidToken(why)) => self.open_calls.end_token(&token, &why),
            // Others may still hear of it before the calls have waited for too long.
            Err(fault) => tracing::debug!(cause = %fault, "an issuer does not say what it thinks"),
        }
    }

    /// The time of the last tick, in seconds since the Unix epoch.
    fn now_unix(&self) -> i64 {
        self.wall.get().1.div_euclid(1_000_000)
    }

    /// Whether an open call has to end, and why; said once. `terms` are what it was let in by.
    pub fn poll_ended(
        &self,
        call: &OpenCall,
        cx: &Context<'_>,
        terms: impl FnOnce() -> Terms,
    ) -> Poll<Fault> {
        call.poll(cx, || {
            let (mut terms, generation) = (terms(), self.in_force.load());
            terms.judge(self.grounds(&generation, self.now_unix()))?;
            Ok(terms)
        })
    }
}

/// A generation, counted twice: the inner count is shared by workers, the outer is not.
pub type Held = Rc<Arc<Generation>>;

/// The generation in force, as one worker holds it: calls count their references here and not in
/// memory that workers share.
#[derive(Debug)]
pub struct InForce {
    current: Arc<Current>,
    held: RefCell<Held>,
}

impl InForce {
    /// Follows `current`.
    pub fn new(current: Arc<Current>) -> Self {
        let held = RefCell::new(Rc::new(current.load()));
        Self { current, held }
    }

    /// The generation in force now.
    pub fn load(&self) -> Held {
        let mut held = self.held.borrow_mut();
        if !self.current.is(&held) {
            *held = Rc::new(self.current.load());
        }
        Rc::clone(&held)
    }

    /// Ready when another one was put in force since this was called.
    pub fn moved(&self) -> Notified<'_> {
        self.current.moved()
    }
}

/// Makes the names of calls: 16 bytes that no other call has.
#[derive(Debug)]
pub struct Names {
    seed: [u64; 2],
    next: Cell<u64>,
}

impl Names {
    /// Names that start anywhere.
    pub fn new(seed: [u8; 16]) -> Self {
        let (first, second) = seed.split_at(8);
        let number = |half: &[u8]| half.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        Self { seed: [number(first), number(second)], next: Cell::new(0) }
    }

    /// A new name.
    pub fn name(&self) -> [u8; 16] {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        let [first, second] = self.seed;
        // Each half is a one-to-one picture of the counter, so no name comes twice.
        let high = mixed(first.wrapping_add(number)).to_be_bytes();
        let low = mixed(second ^ number).to_be_bytes();
        let mut name = [0; 16];
        name.iter_mut().zip(high.into_iter().chain(low)).for_each(|(to, from)| *to = from);
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_come_twice() {
        let names = Names::new(*b"0123456789abcdef");
        let seen: std::collections::HashSet<[u8; 16]> = (0..10_000).map(|_| names.name()).collect();
        assert_eq!(seen.len(), 10_000);
    }
}
