//! What does the watch tell of traffic as APIs have it, how soon, and how often for nothing?
//!
//! Calls come from seeded generators, one by one, minute by minute: days with a rush at noon, quiet
//! weekends, slow tails, failures now and then. Into some of it something happens. The quiet part counts
//! alarms that nobody needs.

mod dice;

use std::net::{IpAddr, Ipv4Addr};

use detect::{Alarm, Call, Finding, Renewal, Rules, Watch};

use dice::Dice;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 24 * 60;
const WEEK: i64 = 7 * DAY;

impl Dice {
    fn normal(&mut self) -> f64 {
        let (radius, angle) = (self.unit().max(1e-12), self.unit());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    /// How many happen, when so many are expected.
    fn poisson(&mut self, expected: f64) -> u32 {
        let (limit, mut product, mut count) = ((-expected).exp(), self.unit(), 0);
        while product > limit {
            product *= self.unit();
            count += 1;
        }
        count
    }
}

/// What happens to the traffic of one minute.
#[derive(Clone, Copy)]
struct Minute {
    /// Calls of each application, of the usual ones.
    calls: f64,
    /// Of the usual time.
    slower: f64,
    /// Share of calls that fail.
    failing: f64,
}

const USUAL: Minute = Minute { calls: 1.0, slower: 1.0, failing: 0.003 };

/// How many the API has.
const OPERATIONS: usize = 4;

/// One API with three applications.
struct World {
    watch: Watch,
    dice: Dice,
    api: String,
    /// Calls of one application in a minute at noon of a working day.
    rate: f64,
    /// Alarms with their minutes.
    told: Vec<(i64, Finding)>,
}

impl World {
    fn new(seed: u64, rate: f64) -> Self {
        let (dice, told) = (Dice(seed), Vec::new());
        Self { watch: Watch::new(Rules::default()), dice, api: format!("api{seed}"), rate, told }
    }

    /// A day has a rush at noon; a weekend has a third.
    #[expect(clippy::cast_precision_loss, reason = "minutes of a day")]
    fn season(minute: i64) -> f64 {
        let hour = (minute.rem_euclid(DAY)) as f64 / 60.0;
        let day = 0.55 - 0.45 * (std::f64::consts::TAU * (hour - 1.0) / 24.0).cos();
        let weekend = minute.rem_euclid(WEEK) >= 5 * DAY;
        if weekend { day / 3.0 } else { day }
    }

    fn live(&mut self, minutes: std::ops::Range<i64>, happens: impl Fn(usize) -> Minute) {
        for minute in minutes {
            let found = self.watch.pass(minute * MINUTE);
            self.tell(minute, found);
            for application in 0..3 {
                let now = happens(application);
                let expected = self.rate * Self::season(minute) * now.calls;
                let calls = self.dice.poisson(expected.min(500.0));
                for call in 0..calls {
                    let at_us = minute * MINUTE + i64::from(call) * MINUTE / i64::from(calls);
                    self.call(at_us, application, now);
                }
            }
            self.renew(minute, 1);
        }
    }

    fn call(&mut self, at_us: i64, application: usize, now: Minute) {
        let dice = &mut self.dice;
        let pick = dice.unit();
        let operation = match pick {
            pick if pick < 0.5 => "GET /items",
            pick if pick < 0.8 => "GET /items/{id}",
            pick if pick < 0.95 => "POST /items",
            _ => "DELETE /items/{id}",
        };
        // One call of a hundred is in the slow tail.
        let tail = if dice.unit() < 0.01 { 8.0 } else { 1.0 };
        let backend_ms = 40.0 * now.slower * tail * (0.35 * dice.normal()).exp();
        let failed = dice.unit() < now.failing;
        let path = format!("/items/{}", dice.next() % 1000);
        let address = Ipv4Addr::new(203, 0, 113, dice.next().to_le_bytes()[0] % 4);
        let name = format!("app{application}");
        let backend_us = micros(backend_ms);
        let call = Call {
            at_us,
            api: &self.api,
            api_version: "1.0.0",
            operation,
            path: &path,
            application: &name,
            client: &name,
            address: Some(IpAddr::V4(address)),
            status: if failed { 503 } else { 200 },
            total_us: backend_us + 900,
            backend_us,
            ..Call::default()
        };
        let found = self.watch.call(&call);
        self.tell(at_us.div_euclid(MINUTE), found);
    }

    /// So many people get a token for the first application.
    fn renew(&mut self, minute: i64, people: i64) {
        for n in 0..people {
            let at_us = minute * MINUTE + n;
            let user = format!("u{}", self.dice.next() % 5000);
            let renewal = Renewal { at_us, user: &user, client: "app0", scope: "items" };
            let found = self.watch.renewal(&renewal);
            self.tell(minute, found);
        }
    }

    fn tell(&mut self, minute: i64, found: Vec<Finding>) {
        self.told.extend(found.into_iter().map(|finding| (minute, finding)));
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds above 0")]
fn micros(ms: f64) -> u64 {
    (ms * 1000.0) as u64
}

/// Ten days of usual traffic and then an hour in which something happens, from ten in the morning of a
/// working day: the wanted alarm comes within so many minutes, in each of five worlds. Nothing is
/// told before.
#[track_caller]
fn check(rate: f64, wanted: &[Alarm], within: i64, happens: impl Fn(&mut World, i64)) {
    let start = 8 * DAY + 10 * 60;
    let mut said = Vec::new();
    for seed in 1..=5 {
        let mut world = World::new(seed, rate);
        world.live(0..start, |_| USUAL);
        let before = std::mem::take(&mut world.told);
        assert!(before.len() <= 1, "{before:?}");
        happens(&mut world, start);
        for alarm in wanted {
            let first = world.told.iter().find(|(_, found)| found.alarm == *alarm);
            let delay = first.map(|(minute, _)| minute - start);
            said.push(format!("{}={delay:?}", alarm.name()));
            assert!(delay.is_some_and(|delay| delay <= within), "seed {seed}: {said:?}");
        }
    }
    eprintln!("minutes until it was told: {said:?}");
}

#[test]
fn a_slow_backend_is_told() {
    let wanted = [Alarm::AbnormalBackendTime, Alarm::AbnormalResponseTime];
    check(10.0, &wanted, 2, |world, start| {
        world.live(start..start + 60, |_| Minute { slower: 10.0, ..USUAL });
    });
}

#[test]
fn a_deploy_that_doubles_the_time_is_told_and_then_it_is_usual() {
    check(10.0, &[Alarm::AbnormalResponseTime], 30, |world, start| {
        world.live(start..start + 60, |_| Minute { slower: 2.0, ..USUAL });
        let told = world.told.len();
        assert!(told <= 2 * OPERATIONS, "{:?}", world.told);
        world.live(start + 60..start + DAY, |_| Minute { slower: 2.0, ..USUAL });
        assert!(world.told.len() <= told + 4, "{:?}", &world.told[told..]);
    });
}

#[test]
fn a_burst_of_errors_is_told() {
    check(10.0, &[Alarm::AbnormalErrorRate], 2, |world, start| {
        world.live(start..start + 10, |_| Minute { failing: 0.5, ..USUAL });
    });
}

#[test]
fn a_client_that_falls_silent_is_told() {
    check(10.0, &[Alarm::AbnormalRequestsPerMin], 15, |world, start| {
        world.live(start..start + 60, |application| Minute {
            calls: f64::from(u8::from(application != 1)),
            ..USUAL
        });
    });
}

#[test]
fn a_client_that_runs_wild_is_told() {
    check(10.0, &[Alarm::AbnormalRequestsPerMin], 1, |world, start| {
        world.live(start..start + 5, |application| Minute {
            calls: if application == 2 { 10.0 } else { 1.0 },
            ..USUAL
        });
    });
}

#[test]
fn a_sweep_by_a_bot_is_told() {
    check(4.0, &[Alarm::BotDetection], 1, |world, start| {
        for n in 0..200 {
            let path = format!("/wp-admin/{n}");
            let call = Call {
                at_us: start * MINUTE + n * SECOND,
                path: &path,
                status: 404,
                address: Some(Ipv4Addr::new(198, 51, 100, 7).into()),
                ..Call::default()
            };
            let found = world.watch.call(&call);
            world.tell(start + n / 60, found);
        }
    });
}

/// Towns between which people move, degrees north and east, and the carriers there.
const TOWNS: [(f64, f64); 8] = [
    (47.38, 8.54),
    (46.95, 7.45),
    (53.55, 9.99),
    (51.51, -0.13),
    (40.71, -74.01),
    (35.68, 139.69),
    (-33.87, 151.21),
    (1.35, 103.82),
];

/// People who call: from home, on the road, from their phones, and some through a tunnel.
struct People {
    watch: Watch,
    dice: Dice,
    told: Vec<(i64, Finding)>,
}

impl People {
    fn new(seed: u64) -> Self {
        Self { watch: Watch::new(Rules::default()), dice: Dice(seed), told: Vec::new() }
    }

    /// Weeks in which each of them makes some calls a day.
    fn live(&mut self, people: usize, days: std::ops::Range<i64>) {
        for minute in days.start * DAY..days.end * DAY {
            let hour = minute.rem_euclid(DAY) / 60;
            if !(6..23).contains(&hour) {
                continue;
            }
            for person in 0..people {
                if self.dice.unit() < 0.02 {
                    let (town, network) = self.place(person, minute);
                    self.call(minute, person, town, network);
                }
            }
        }
    }

    /// Where somebody is at a time, and in whose network.
    fn place(&mut self, person: usize, minute: i64) -> (usize, u32) {
        let (home, day) = (person % TOWNS.len(), minute.div_euclid(DAY));
        let carrier = |town: usize| u32::try_from(100 + town).unwrap_or(0);
        // Each fifth is abroad in each fourth week; nobody calls on the flight, which takes the first day.
        let week = day.div_euclid(7);
        let travels = person.is_multiple_of(5) && week.rem_euclid(4) == 3;
        let town = if travels { (home + 3) % TOWNS.len() } else { home };
        let is_flight = person.is_multiple_of(5) && day.rem_euclid(7) == 0;
        let pick = self.dice.unit();
        match person % 10 {
            _ if is_flight => (home, 0),
            // The carrier of this one's phone moves the end of its network between two towns.
            3 if pick < 0.3 => ((home + 1) % TOWNS.len(), carrier(home)),
            // This one works through a tunnel, whose end is in the first town.
            7 if pick < 0.5 => (0, 1),
            _ => (town, carrier(town)),
        }
    }

    fn call(&mut self, minute: i64, person: usize, town: usize, network: u32) {
        // Databases of places err, about one network always in the same way.
        let mut error = Dice(town as u64 * 1000 + u64::from(network));
        let Some((north, east)) = TOWNS.get(town).copied() else { return };
        let position = Some((north + error.normal() * 0.2, east + error.normal() * 0.2));
        let user = format!("p{person}");
        let client = if self.dice.unit() < 0.5 { "web" } else { "phone" };
        let at_us = minute * MINUTE + i64::try_from(person).unwrap_or(0);
        let found = self.watch.call(&Call {
            at_us,
            api: "shop",
            api_version: "1.0.0",
            operation: "GET /items",
            application: client,
            client,
            user: &user,
            position: position.filter(|_| network > 0),
            network,
            status: 200,
            total_us: 1000,
            ..Call::default()
        });
        let journeys = found.into_iter().filter(|it| it.alarm == Alarm::ImpossibleTravel);
        self.told.extend(journeys.map(|it| (minute, it)));
    }
}

/// Somebody else has the session of one person, and calls from the other side of the globe while they work.
#[test]
fn a_stolen_session_is_told_at_its_first_calls() {
    const PEOPLE: usize = 50;
    let mut delays = Vec::new();
    for seed in 1..=5_u64 {
        let mut people = People::new(seed);
        people.live(PEOPLE, 0..10);
        people.told.clear();
        let (victim, start) = (usize::try_from(seed).unwrap() * 8 + 1, 10 * DAY + 10 * 60);
        let (home, away) = (victim % TOWNS.len(), (victim + 4) % TOWNS.len());
        people.call(start - 5, victim, home, 100);
        for call in 0..20 {
            people.call(start + call, victim, away, 999);
        }
        let first =
            people.told.iter().find(|(_, found)| found.message.contains(&format!("p{victim} ")));
        delays.push(first.map(|(minute, _)| minute - start));
    }
    eprintln!("minutes until it was told: {delays:?}");
    assert_eq!(delays, [Some(0); 5]);
}

#[test]
fn journeys_that_people_make_are_told_for_a_tunnel_once_a_month_at_most() {
    const PEOPLE: usize = 100;
    const MONTHS: i64 = 3;
    let mut people = People::new(77);
    people.live(PEOPLE, 0..MONTHS * 30);
    let mut by_person = std::collections::BTreeMap::<String, i64>::new();
    for (_, found) in &people.told {
        let user = found.about.iter().find(|(name, _)| *name == "user");
        *by_person.entry(user.unwrap().1.clone()).or_default() += 1;
    }
    eprintln!(
        "{} journeys of {PEOPLE} people in {MONTHS} months: {by_person:?}",
        people.told.len()
    );
    for (person, told) in by_person {
        assert!(person.ends_with('7'), "{person} has no tunnel and is told {told} times");
        assert!(told <= MONTHS, "{person} is told {told} times");
    }
}

#[test]
fn a_storm_of_tokens_is_told() {
    check(4.0, &[Alarm::AbnormalRefresh], 1, |world, start| {
        world.renew(start, 300);
    });
}

/// Worlds with so many calls a minute at noon for each of three applications, and for how many weeks.
const QUIET: [(f64, i64); 4] = [(0.5, 40), (2.0, 40), (8.0, 20), (40.0, 4)];

#[test]
fn in_a_hundred_weeks_less_than_one_alarm_is_for_nothing() {
    let mut alarms = Vec::new();
    let mut weeks = 0;
    std::thread::scope(|scope| {
        let mut worlds = Vec::new();
        for (number, (rate, for_weeks)) in QUIET.into_iter().enumerate() {
            for part in 0..4_u64 {
                weeks += for_weeks / 4;
                worlds.push(scope.spawn(move || {
                    let seed = 1000 + 10 * u64::try_from(number).unwrap() + part;
                    let mut world = World::new(seed, rate);
                    world.live(0..for_weeks / 4 * WEEK, |_| USUAL);
                    world.told
                }));
            }
        }
        for world in worlds {
            alarms.extend(world.join().unwrap());
        }
    });
    for (minute, found) in &alarms {
        eprintln!("minute {minute}: {} {:?}", found.message, found.evidence);
    }
    eprintln!("{} alarms in {weeks} weeks of an API", alarms.len());
    assert!(weeks > 100 && alarms.len() * 100 < usize::try_from(weeks).unwrap());
}
