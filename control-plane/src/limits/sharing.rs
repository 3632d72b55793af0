//! Who is there, and who decides about what they say?
//!
//! All streams meet here under one lock: what is done under it is arithmetic, for a whole message at a time.
//! Only one control plane decides; the others send gateways away.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use chassis::Clock;
use throttle::Subject;
use tokio::sync::{Notify, watch};
use tonic::Status;
use turnpike_proto::config::v1::share_response::Message;
use turnpike_proto::config::v1::{
    LimitAnswer, LimitAnswers, LimitAsk, LimitAsks, LimitPart, LimitParts, LimitReport,
    LimitReports, LimitReturns, LimitStates, ShareState,
};

use super::authority::{Answer, Ask, Authority, Before, Entries, Key};
use super::claim::Claim;
use super::from_proto;
use super::members::{Members, Out, Stream};
use super::parts::{KEPT_US, PART_US, Parts, Report, Told};
use super::usage::Questions;
use crate::catalog::Catalog;

/// What all streams share.
#[derive(Debug)]
pub struct Sharing {
    clock: Clock,
    catalog: Arc<Catalog>,
    inner: Mutex<Inner>,
    stirred: Notify,
    questions: Questions,
}

#[derive(Debug)]
struct Inner {
    members: Members,
    seat: Seat,
    /// The line of revisions that gateways are compared by.
    epoch: Arc<str>,
}

/// Who counts.
#[derive(Debug)]
enum Seat {
    /// Nobody yet, or another control plane.
    Away(String),
    /// This one, until then where others may take over.
    Here { authority: Box<Authority>, parts: Parts, until: Option<Instant> },
}

/// How much is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) gateways: u64,
    pub(super) leased: usize,
    pub(super) split: usize,
}

impl Sharing {
    /// Nobody counts yet. Revisions are those of `catalog`.
    pub fn new(clock: Clock, catalog: Arc<Catalog>) -> Self {
        let seat = Seat::Away("nobody counts limits yet".to_owned());
        let inner = Inner { members: Members::default(), seat, epoch: "".into() };
        Self {
            clock,
            catalog,
            inner: Mutex::new(inner),
            stirred: Notify::new(),
            questions: Questions::default(),
        }
    }

    /// A gateway enters.
    pub(super) fn enter(
        &self,
        node: &str,
        state: ShareState,
        out: Out,
    ) -> Result<(Stream, watch::Receiver<()>), Status> {
        let mut inner = self.lock();
        if let Seat::Away(why) = &inner.seat {
            return Err(Status::unavailable(why));
        }
        let entered = inner.members.enter(node, state, out);
        entered.ok_or_else(|| Status::resource_exhausted("too many gateways"))
    }

    /// A gateway leaves. What it was given counts as used.
    pub(super) fn leave(&self, stream: Stream) {
        let mut inner = self.lock();
        inner.members.leave(stream);
        if let Seat::Here { parts, .. } = &mut inner.seat {
            parts.lose(stream);
        }
    }

    /// A gateway knows its limits by another configuration.
    pub(super) fn changed(&self, stream: Stream, state: ShareState) {
        self.lock().members.set_state(stream, state);
    }

    /// A gateway asks for units.
    pub(super) fn asked(&self, stream: Stream, asks: LimitAsks) {
        let now_us = self.now_us();
        let here = self.clock.instant();
        let mut inner = self.lock();
        let revision = inner.revision(stream, &self.catalog);
        let Inner { members, seat, .. } = &mut *inner;
        let gateways = members.count();
        let answer = |ask: LimitAsk| {
            let uncounted = Answer { stream, ask: ask.ask, granted: None };
            let Seat::Here { authority, until, .. } = seat else { return Some(uncounted) };
            let Some((key, measure)) = ask.limit.as_ref().and_then(from_proto::limit) else {
                return Some(uncounted);
            };
            if until.is_some_and(|until| here >= until) {
                return Some(uncounted);
            }
            let claim = Claim { measure, revision };
            let LimitAsk { ask, wanted, owed, ahead, in_hand, next, .. } = ask;
            let asked_us = now_us;
            let ask = Ask { stream, ask, key, claim, wanted, owed, ahead, in_hand, next, asked_us };
            authority.ask(now_us, ask, gateways)
        };
        let answers: Vec<Answer> = asks.asks.into_iter().filter_map(answer).collect();
        inner.tell_answers(answers);
        self.stir(inner);
    }

    /// A gateway gives units back.
    pub(super) fn returned(&self, stream: Stream, returns: &LimitReturns) {
        let now_us = self.now_us();
        if let Seat::Here { authority, .. } = &mut self.lock().seat {
            let backs = returns.returns.iter();
            for (key, back) in backs.filter_map(|it| from_proto::back(it, now_us)) {
                authority.put_back(now_us, stream, key, back);
            }
        }
    }

    /// A gateway says how much was asked of it.
    pub(super) fn reported(&self, stream: Stream, reports: LimitReports) {
        let now_us = self.now_us();
        let mut inner = self.lock();
        let revision = inner.revision(stream, &self.catalog);
        let Inner { members, seat, .. } = &mut *inner;
        let (Seat::Here { parts, .. }, Some(node)) = (seat, members.node(stream)) else { return };
        for LimitReport { limit, demand, part, used } in reports.limits {
            let Some((key, measure)) = limit.as_ref().and_then(from_proto::limit) else { continue };
            let (claim, node) = (Claim { measure, revision }, Arc::clone(&node));
            parts.report(now_us, &Report { stream, node, key, claim, demand, part, used });
        }
        let told = parts.look(now_us);
        members.set_report(stream, reports.report);
        members.tell(stream, Message::Parts(parts_of(reports.report, Vec::new())));
        inner.tell_parts(told);
    }

    /// A gateway says how full limits are.
    pub(super) fn told(&self, stream: Stream, states: LimitStates) {
        let node = self.lock().members.node(stream);
        if let Some(node) = node {
            self.questions.answered(&node, states);
        }
    }

    /// What gateways are being asked.
    pub(super) const fn questions(&self) -> &Questions {
        &self.questions
    }

    /// Tells all gateways something, and says which there are.
    pub(super) fn tell_all(&self, message: &Message) -> Vec<String> {
        self.lock().members.tell_all(message)
    }

    /// What was given away of these counters is forgotten.
    pub(super) fn reset(&self, counters: &[Subject]) {
        let mut inner = self.lock();
        if let Seat::Here { authority, .. } = &mut inner.seat {
            authority.reset(counters);
        }
        self.stir(inner);
    }

    /// Looks after what changes by time alone.
    pub(super) fn tick(&self) {
        let now_us = self.now_us();
        let mut inner = self.lock();
        inner.follow_epoch(&self.catalog);
        let Seat::Here { authority, parts, .. } = &mut inner.seat else { return };
        let answers = authority.sweep(now_us);
        parts.sweep(now_us);
        let told = parts.look(now_us);
        inner.tell_answers(answers);
        inner.tell_parts(told);
        self.stir(inner);
    }

    /// This control plane counts from now on.
    pub(super) fn begin(&self, before: Before, until: Option<Instant>) {
        let authority = Box::new(Authority::new(self.now_us(), before));
        self.lock().seat = Seat::Here { authority, parts: Parts::default(), until };
    }

    /// It goes on counting until `then`.
    pub(super) fn go_on(&self, then: Instant) {
        if let Seat::Here { until: Some(until), .. } = &mut self.lock().seat {
            *until = then;
        }
    }

    /// Another one counts, or nobody: gateways are sent away.
    pub(super) fn end(&self, why: String) {
        let mut inner = self.lock();
        inner.seat = Seat::Away(why);
        inner.members.clear();
    }

    /// Returns when something is to be written down.
    pub(super) async fn stirred(&self) {
        self.stirred.notified().await;
    }

    /// What is to be written down, of so many counters at most.
    pub(super) fn entries(&self, most: usize) -> Entries {
        let now_us = self.now_us();
        match &mut self.lock().seat {
            Seat::Here { authority, .. } => authority.entries(now_us, most),
            Seat::Away(_) => Entries::default(),
        }
    }

    /// This is written down.
    pub(super) fn written(&self, entries: &Entries) {
        let now_us = self.now_us();
        let mut inner = self.lock();
        let gateways = inner.members.count();
        let Seat::Here { authority, .. } = &mut inner.seat else { return };
        let answers = authority.written(now_us, entries, gateways);
        inner.tell_answers(answers);
        self.stir(inner);
    }

    /// It could not be written down.
    pub(super) fn unwritten(&self, entries: Entries) {
        if let Seat::Here { authority, .. } = &mut self.lock().seat {
            authority.unwritten(entries);
        }
    }

    /// How much is counted here.
    pub(super) fn counted(&self) -> Counted {
        let inner = self.lock();
        let gateways = inner.members.count();
        match &inner.seat {
            Seat::Here { authority, parts, .. } => {
                Counted { gateways, leased: authority.len(), split: parts.len() }
            }
            Seat::Away(_) => Counted { gateways, ..Counted::default() },
        }
    }

    pub(super) fn now_us(&self) -> u64 {
        u64::try_from(self.clock.unix_us()).unwrap_or(0)
    }

    fn stir(&self, inner: MutexGuard<'_, Inner>) {
        let wanted = match &inner.seat {
            Seat::Here { authority, .. } => authority.has_entries(),
            Seat::Away(_) => false,
        };
        drop(inner);
        if wanted {
            self.stirred.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The revision that a gateway asks by; 0: it is of another line than ours.
    fn revision(&mut self, stream: Stream, catalog: &Catalog) -> u64 {
        self.follow_epoch(catalog);
        let state = self.members.state(stream);
        state.filter(|state| *state.epoch == *self.epoch).map_or(0, |state| state.revision)
    }

    fn follow_epoch(&mut self, catalog: &Catalog) {
        let Some(epoch) = catalog.current().map(|state| Arc::clone(&state.epoch)) else { return };
        if epoch != self.epoch {
            self.epoch = epoch;
            if let Seat::Here { authority, parts, .. } = &mut self.seat {
                authority.forget_revisions();
                parts.forget_revisions();
            }
        }
    }

    fn tell_answers(&mut self, mut answers: Vec<Answer>) {
        answers.sort_by_key(|answer| answer.stream);
        for of_one in answers.chunk_by(|one, other| one.stream == other.stream) {
            let Some(stream) = of_one.first().map(|answer| answer.stream) else { continue };
            let answers = of_one.iter().map(answer_of).collect();
            self.members.tell(stream, Message::Answers(LimitAnswers { answers }));
        }
    }

    fn tell_parts(&mut self, mut told: Vec<Told>) {
        told.sort_by_key(|told| told.stream);
        for of_one in told.chunk_by(|one, other| one.stream == other.stream) {
            let Some(stream) = of_one.first().map(|told| told.stream) else { continue };
            let parts = of_one.iter().map(part_of).collect();
            let report = self.members.report(stream);
            self.members.tell(stream, Message::Parts(parts_of(report, parts)));
        }
    }
}

/// A span that is reckoned from now and counted from when it was asked ends a little too early.
fn answer_of(answer: &Answer) -> LimitAnswer {
    let Answer { ask, granted, .. } = *answer;
    let Some(granted) = granted else {
        return LimitAnswer { ask, uncounted: true, ..LimitAnswer::default() };
    };
    LimitAnswer {
        ask,
        units: granted.units,
        left: granted.left,
        place: granted.place,
        ends_us: granted.ends_us,
        again_us: granted.again_us,
        uncounted: false,
        last_us: granted.last_us,
        begins_us: granted.begins_us,
    }
}

fn part_of(told: &Told) -> LimitPart {
    let Key { counter, index, .. } = told.key;
    LimitPart { counter: counter.0.to_vec(), index, part: told.part }
}

const fn parts_of(report: u64, parts: Vec<LimitPart>) -> LimitParts {
    LimitParts { report, parts, ends_us: PART_US, kept_us: KEPT_US }
}
