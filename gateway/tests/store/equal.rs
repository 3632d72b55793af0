//! Does a real Redis decide as a meter in process does, call by call?
//!
//! The same things happen to both, at the moments that the engine names, and everything that they say is
//! compared. Windows are a few milliseconds long, so they turn meanwhile.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use chassis::clock::Clock;
use gateway::limits::store::{Answer, Connection, Counters, Mode, Of, Verdict};
use throttle::{
    Back, Correction, Cost, Effect, Granted, Hands, Hold, Limit, LimitState, Measure, Meter,
    MeterConfig, Period, Quota, Rate, Refused, Span, Subject, Unit, Wanted,
};

use crate::ground::{Ground, run};
use crate::redis::{Redis, cluster, is_installed};

const STEPS: usize = 400;

/// Limits, apart by spaces: `AMOUNT/STRETCH`, where a stretch is `5ms` (one after the other), `~48ms`
/// (rolling), `@10ms` (a pace) or a calendar's period; with `i`, `o` or `b` in front for bytes, and `!`
/// (marks) or `?` (is only tried) behind.
fn limits(text: &str) -> Vec<Limit> {
    text.split_whitespace().map(limit).collect()
}

fn limit(text: &str) -> Limit {
    let unit = match text.as_bytes()[0] {
        b'i' => Unit::BytesIn,
        b'o' => Unit::BytesOut,
        b'b' => Unit::Bytes,
        _ => Unit::Requests,
    };
    let effects = [("!", Effect::Mark), ("?", Effect::Shadow)];
    let marked = effects.iter().find_map(|(end, it)| Some((*it, text.strip_suffix(end)?)));
    let (effect, text) = marked.unwrap_or((Effect::Refuse, text));
    let (amount, stretch) = text.trim_start_matches(['i', 'o', 'b']).split_once('/').unwrap();
    let amount = amount.parse().unwrap();
    let span = |text: &str| chassis::config::duration::parse(text).unwrap();
    let calendar = |period| Span::calendar(period, 60).unwrap();
    let quota = |span| Measure::Quota(Quota::new(amount, span).unwrap());
    let measure = match stretch {
        "day" => quota(calendar(Period::Day)),
        "week" => quota(calendar(Period::Week)),
        "month" => quota(calendar(Period::Month)),
        "year" => quota(calendar(Period::Year)),
        _ => match stretch.split_at(1) {
            ("@", stretch) => Measure::Rate(Rate::new(amount, span(stretch)).unwrap()),
            ("~", stretch) => quota(Span::rolling(span(stretch)).unwrap()),
            _ => quota(Span::fixed(span(stretch)).unwrap()),
        },
    };
    Limit { measure, unit, effect }
}

/// Numbers that look like chance, and are the same each time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What both have let in and what may still be corrected.
struct Taken {
    hold: Hold,
    corrections: Vec<Correction>,
}

/// The two that are compared.
struct Pair<'a> {
    limits: Vec<Limit>,
    meter: Arc<Meter>,
    subject: Subject,
    counters: &'a Counters,
    connection: Connection,
    draw: Draw,
    taken: Vec<Taken>,
    /// What is in hand of each limit, and when that was said.
    hands: Vec<Hands>,
    asked_us: Vec<u64>,
    /// What was given of which limit, and may go back.
    given: Vec<(usize, Back)>,
    story: String,
}

impl Pair<'_> {
    fn of(&self) -> Of<'_> {
        let now_us = u64::try_from(Clock::system().unix_us()).unwrap();
        Of { subject: self.subject, limits: &self.limits, now_us }
    }

    async fn step(&mut self) {
        match self.draw.below(10) {
            0 => thread::sleep(Duration::from_micros(self.draw.below(6_000))),
            1 | 2 if !self.taken.is_empty() => self.settle().await,
            3 => self.grant().await,
            4 if !self.given.is_empty() => self.put_back().await,
            _ => self.take().await,
        }
    }

    async fn take(&mut self) {
        let (bytes_in, bytes_out) = (self.draw.below(6), self.draw.below(3));
        let cost = Cost { bytes_in, bytes_out, ..Cost::CALL };
        let of = self.of();
        let said = self.counters.take(&mut self.connection.clone(), of, &cost).await.unwrap();
        let Answer { now_us, verdict, states } = said;
        self.begin(now_us);
        let held = self.meter.hold(now_us, &cost);
        self.story = format!("{cost:?} at {now_us}: {verdict:?}, and in process {held:?}");
        match (verdict, held) {
            (Verdict::Taken(ruling), Ok(hold)) => {
                let marks = (ruling.over_quota, ruling.shadow);
                assert_eq!(marks, (hold.over_quota(), hold.shadow()), "{}", self.story);
                let corrections = ruling.places.iter().enumerate().filter_map(|(index, place)| {
                    let units = cost.of(self.limits[index].unit);
                    Some(Correction { index, place: (*place)?, taken_us: now_us, units, actual: 0 })
                });
                let corrections = corrections.collect();
                self.taken.push(Taken { hold, corrections });
            }
            (Verdict::Full { index, retry_after_us }, Err(Refused::Full(full))) => {
                let expected = (full.limit, full.retry_after_us);
                assert_eq!((self.limits[index], retry_after_us), expected, "{}", self.story);
            }
            _ => panic!("{}", self.story),
        }
        self.same(now_us, &states);
    }

    /// A call comes to nothing, or to something else, or stays as it was.
    async fn settle(&mut self) {
        let place = usize::try_from(self.draw.below(self.taken.len() as u64)).unwrap();
        let Taken { hold, mut corrections } = self.taken.swap_remove(place);
        let cost = match self.draw.below(3) {
            0 => {
                drop(hold.settle());
                return;
            }
            1 => {
                drop(hold);
                Cost::default()
            }
            _ => {
                let cost = Cost { bytes_in: self.draw.below(9), ..Cost::CALL };
                hold.settle_as(&cost);
                cost
            }
        };
        for correction in &mut corrections {
            correction.actual = cost.of(self.limits[correction.index].unit);
        }
        let connection = &mut self.connection.clone();
        self.counters.settle(connection, self.of(), &corrections).await.unwrap();
        let (now_us, states) = self.counters.state(connection, self.of()).await.unwrap();
        self.story = format!("{corrections:?} came to {cost:?}");
        self.same(now_us, &states);
    }

    async fn grant(&mut self) {
        let index = usize::try_from(self.draw.below(self.limits.len() as u64)).unwrap();
        let (units, gateways) = (1 + self.draw.below(4), 1 + self.draw.below(3));
        let in_hand = if self.limits[index].is_rate() { self.draw.below(4) } else { 0 };
        let is_next = self.gives_ahead(index) && self.draw.below(2) == 0;
        let wanted = Wanted { units, owed: self.draw.below(3) / 2, in_hand, next: is_next };
        let (connection, of) = (&mut self.connection.clone(), self.of());
        let asked_us = of.now_us;
        let said = self.counters.grant(connection, of, index, wanted, gateways).await.unwrap();
        self.begin(said.now_us);
        if wanted.owed > 0 {
            self.meter.charge(index, said.now_us, wanted.owed);
        }
        self.asked_us[index] = asked_us;
        let (asked, hands) = (wanted.asked_by(0, gateways), &mut self.hands[index]);
        let expected = self.meter.lease(index, said.now_us, asked, hands);
        self.story = format!("{wanted:?} of limit {index} with {hands:?}: {said:?}");
        assert_eq!(said.granted, expected, "{}", self.story);
        let Granted { place, units, .. } = expected;
        if units > 0 {
            self.given.push((index, Back { place, granted_us: asked_us, units }));
        }
    }

    /// Whether units of a window are given before it begins.
    fn gives_ahead(&self, index: usize) -> bool {
        matches!(self.limits[index].measure, Measure::Quota(quota) if quota.ahead_us() > 0)
    }

    /// Some of what was given last is not used. Where more has been asked for since, that was said to be used.
    async fn put_back(&mut self) {
        let (index, back) = self.given.pop().unwrap();
        let connection = &mut self.connection.clone();
        let back_us =
            self.counters.put_back(connection, self.of(), &[(index, back)]).await.unwrap();
        let (now_us, states) = self.counters.state(connection, self.of()).await.unwrap();
        let who = (self.asked_us[index] == back.granted_us).then_some(0);
        self.meter.put_back(index, back_us, who, back, &mut self.hands[index]);
        self.story = format!("{back:?} of limit {index}");
        self.same(now_us, &states);
    }

    /// Of windows that have begun meanwhile what was given of them before.
    fn begin(&mut self, now_us: u64) {
        for (index, hands) in self.hands.iter_mut().enumerate() {
            self.meter.begin(index, now_us, hands);
        }
    }

    fn same(&mut self, now_us: u64, states: &[LimitState]) {
        self.begin(now_us);
        let expected: Vec<LimitState> = self.meter.state(now_us).collect();
        assert_eq!(states, expected, "{}", self.story);
    }
}

/// Both go through the same with these limits, several times.
async fn check(ground: &Ground, text: &str) {
    for seed in 1..4_u8 {
        let limits = limits(text);
        let mut subject = [seed; 16];
        subject.iter_mut().zip(text.bytes()).for_each(|(byte, letter)| *byte ^= letter);
        let hands = limits.iter().map(|_| Hands::default()).collect();
        let asked_us = vec![0; limits.len()];
        let mut pair = Pair {
            meter: Arc::new(Meter::new(MeterConfig::new(&limits).unwrap())),
            limits,
            subject: Subject(subject),
            counters: &ground.counters,
            connection: ground.connection().await,
            draw: Draw(u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            hands,
            asked_us,
            given: Vec::new(),
            taken: Vec::new(),
            story: String::new(),
        };
        for _ in 0..STEPS {
            pair.step().await;
        }
    }
}

async fn check_all(ground: &Ground) {
    for text in [
        "7/5ms",
        "9/50ms",
        "30/60ms 9/50ms! i60/70ms",
        "20/~48ms",
        "10/@10ms",
        "50/month",
        "300/day 5/@3ms",
        "9/5ms i30/~64ms o9/7ms! 12/@6ms",
        "12/@6ms 9/5ms",
        "4/5ms? b20/~32ms! i40/@9ms",
        "3/@10ms? 1000000000/@1s",
        "281474976710655/year 3/@9000h",
    ] {
        check(ground, text).await;
    }
}

#[test]
fn a_server_decides_as_a_meter_does() {
    if !is_installed() {
        return;
    }
    let server = Redis::start();
    run(check_all(&Ground::new(Mode::Single, vec![server.url()])));
}

#[test]
fn a_cluster_decides_as_a_meter_does() {
    if !is_installed() {
        return;
    }
    let nodes = cluster();
    run(check_all(&Ground::new(Mode::Cluster, vec![nodes[0].url()])));
}
