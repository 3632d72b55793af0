//! What of a meter outlives its process?
//!
//! What was used of quotas over a minute and more, where this gateway counts them itself: a restart must
//! not fill up a month's quota again. Rates and shorter quotas begin afresh; what an authority counts,
//! the authority keeps.

use crate::quota::Window;
use crate::rolling::Ring;
use crate::span::Kind;
use crate::{Limit, Measure, MeterConfig, Period, Quota, Span, Strategy, Unit};

/// Shorter stretches are over before anybody has restarted.
const LEAST_US: u64 = 60_000_000;
/// Words of a rolling quota.
const RING_WORDS: usize = Ring::WORDS;

/// What was used of a meter's quotas, apart from the meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    latest_us: u64,
    quotas: Vec<PastQuota>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct PastQuota {
    unit: Unit,
    quota: Quota,
    /// The words of its counter.
    words: Vec<u64>,
}

/// Whether something of such a meter has to outlive its process.
pub(crate) fn outlives(config: &MeterConfig) -> bool {
    matches!(config.sharing().strategy, Strategy::InProcess | Strategy::Split)
        && config.limits().iter().any(|limit| quota_kept(limit).is_some())
}

/// The quota of a limit, if it is kept.
fn quota_kept(limit: &Limit) -> Option<Quota> {
    match limit.measure {
        Measure::Quota(quota) if quota.span().longest_us() >= LEAST_US => Some(quota),
        _ => None,
    }
}

/// The counter of a quota.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Count<'a> {
    Window(Window<'a>),
    Ring(Ring<'a>),
}

impl Past {
    pub(crate) fn of<'a>(
        counters: impl Iterator<Item = (&'a Limit, Option<Count<'a>>)>,
        latest_us: u64,
    ) -> Self {
        let quotas = counters.filter_map(|(limit, count)| {
            let words = match count? {
                Count::Window(window) => vec![window.word()],
                Count::Ring(ring) => ring.words().to_vec(),
            };
            Some(PastQuota { unit: limit.unit, quota: quota_kept(limit)?, words })
        });
        Self { latest_us, quotas: quotas.collect() }
    }

    /// Adds what was used to counters that stand for the same: each takes the first quota of its stretch and
    /// unit, or else the first of its unit that no other has a better claim to.
    pub(crate) fn add_to<'a>(
        &self,
        counters: impl Iterator<Item = (&'a Limit, Option<Count<'a>>)>,
    ) {
        let mut left: Vec<&PastQuota> = self.quotas.iter().collect();
        let own =
            counters.filter_map(|(limit, count)| Some((limit.unit, quota_kept(limit)?, count?)));
        let mut rest = Vec::new();
        for (unit, quota, count) in own {
            let same = |past: &&PastQuota| past.unit == unit && past.quota.span() == quota.span();
            match left.iter().position(same) {
                Some(place) => left.remove(place).add_same(count, quota),
                None => rest.push((unit, quota, count)),
            }
        }
        for (unit, quota, count) in rest {
            if let Some(place) = left.iter().position(|past| past.unit == unit) {
                left.remove(place).add_other(count, quota, self.latest_us);
            }
        }
    }

    /// What was used since `seen`, which is an earlier state of the same meter.
    #[must_use]
    pub fn since(&self, seen: &Self) -> Self {
        let since = |now: &PastQuota| {
            let before = seen
                .quotas
                .iter()
                .find(|it| it.unit == now.unit && it.quota.span() == now.quota.span());
            before.map_or_else(|| now.clone(), |before| now.since(before))
        };
        Self { latest_us: self.latest_us, quotas: self.quotas.iter().map(since).collect() }
    }

    /// When somebody last called, in microseconds since the Unix epoch.
    pub const fn latest_us(&self) -> u64 {
        self.latest_us
    }

    /// From when on nothing of it counts, in microseconds since the Unix epoch.
    pub fn ends_us(&self) -> u64 {
        let ends = self.quotas.iter().map(|past| {
            let span = past.quota.span();
            let more = if past.is_rolling() { RING_WORDS as u64 } else { 0 };
            span.end_us(span.number(self.latest_us).saturating_add(more))
        });
        ends.max().unwrap_or(0)
    }

    /// Writes it down behind `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.latest_us.to_le_bytes());
        out.push(u8::try_from(self.quotas.len()).unwrap_or(0));
        for past in &self.quotas {
            let (kind, per) = written_span(past.quota.span());
            out.extend([written_unit(past.unit), kind]);
            out.extend(per.to_le_bytes());
            out.extend(past.quota.amount().to_le_bytes());
            past.words.iter().for_each(|word| out.extend(word.to_le_bytes()));
        }
    }

    /// Reads what [`write`](Self::write) wrote; `None`: it is no such thing.
    pub fn read(mut bytes: &[u8]) -> Option<Self> {
        let latest_us = number(&mut bytes)?;
        let (count, mut bytes) = bytes.split_first()?;
        let mut quotas = Vec::new();
        for _ in 0..*count {
            let ([unit, kind], rest) = bytes.split_first_chunk()?;
            bytes = rest;
            let (unit, span) = (read_unit(*unit)?, read_span(*kind, number(&mut bytes)?)?);
            let quota = Quota::new(number(&mut bytes)?, span).ok()?;
            let mut past = PastQuota { unit, quota, words: Vec::new() };
            for _ in 0..if past.is_rolling() { RING_WORDS } else { 1 } {
                past.words.push(number(&mut bytes)?);
            }
            quotas.push(past);
        }
        bytes.is_empty().then_some(Self { latest_us, quotas })
    }
}

impl PastQuota {
    const fn is_rolling(&self) -> bool {
        matches!(self.quota.span().kind(), Kind::Rolling { .. })
    }

    fn add_same(&self, count: Count<'_>, quota: Quota) {
        match count {
            Count::Window(window) => {
                let word = self.words.first().copied().unwrap_or(0);
                let (number, used) = Window::read(word, self.quota);
                window.add(quota, number, used);
            }
            Count::Ring(ring) => ring.add_all(&self.words),
        }
    }

    /// Of another stretch: what was used in the one that held the last call.
    fn add_other(&self, count: Count<'_>, quota: Quota, latest_us: u64) {
        let used = if self.is_rolling() {
            let words = Default::default();
            let ring = Ring::of(&words);
            ring.add_all(&self.words);
            ring.used(self.quota, latest_us)
        } else {
            let (number, used) = Window::read(self.words.first().copied().unwrap_or(0), self.quota);
            if number == self.quota.span().number(latest_us) { used } else { 0 }
        };
        let number = quota.span().number(latest_us);
        match count {
            Count::Window(window) => window.add(quota, number, used),
            Count::Ring(ring) => ring.add_used(number, used),
        }
    }

    fn since(&self, before: &Self) -> Self {
        let words = self.words.iter().zip(&before.words);
        let words = words.map(|(now, before)| {
            if self.is_rolling() {
                Ring::less(*now, *before)
            } else {
                Window::less(*now, *before, self.quota)
            }
        });
        Self { words: words.collect(), ..self.clone() }
    }
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*first))
}

const fn written_unit(unit: Unit) -> u8 {
    match unit {
        Unit::Requests => 0,
        Unit::BytesIn => 1,
        Unit::BytesOut => 2,
        Unit::Bytes => 3,
        Unit::Events => 4,
        Unit::Cost => 5,
    }
}

const fn read_unit(byte: u8) -> Option<Unit> {
    Some(match byte {
        0 => Unit::Requests,
        1 => Unit::BytesIn,
        2 => Unit::BytesOut,
        3 => Unit::Bytes,
        4 => Unit::Events,
        5 => Unit::Cost,
        _ => return None,
    })
}

/// Its kind, and its length in microseconds or the minutes that its place is ahead.
fn written_span(span: Span) -> (u8, u64) {
    let (period, offset_minutes) = match span.kind() {
        Kind::Fixed { per_us } => return (0, per_us),
        Kind::Rolling { per_us } => return (1, per_us),
        Kind::Calendar { period, offset_minutes } => (period, offset_minutes),
    };
    let kind = match period {
        Period::Day => 2,
        Period::Week => 3,
        Period::Month => 4,
        Period::Year => 5,
    };
    (kind, i64::from(offset_minutes).cast_unsigned())
}

fn read_span(kind: u8, per: u64) -> Option<Span> {
    let period = match kind {
        0 => return Span::fixed(std::time::Duration::from_micros(per)).ok(),
        1 => return Span::rolling(std::time::Duration::from_micros(per)).ok(),
        2 => Period::Day,
        3 => Period::Week,
        4 => Period::Month,
        5 => Period::Year,
        _ => return None,
    };
    Span::calendar(period, i16::try_from(per.cast_signed()).ok()?).ok()
}

#[cfg(test)]
#[path = "kept_tests.rs"]
mod tests;
