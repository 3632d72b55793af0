//! Who calls what in a bench?
//!
//! 20,000 consumers of 2,000 applications, ten addresses each, and 200 APIs of ten operations. Some call, and are called,
//! far more than others (a cube). Callers have habits, as programs and people do, and a few of them mean harm; or each
//! call is drawn for itself, so that callers take steps and come from addresses that they never did: the hard case for
//! whoever learns what is usual. The same number makes the same call every time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::dice::Dice;

pub(crate) const APIS: usize = 200;
pub(crate) const OPERATIONS: usize = 10;
pub(crate) const CONSUMERS: usize = 20_000;
pub(crate) const CONSUMERS_OF_AN_APPLICATION: usize = 10;
const ADDRESSES_OF_A_CONSUMER: usize = 10;
/// Addresses from which sessions mostly come.
const USUAL_ADDRESSES: usize = 3;
/// One session of so many comes from any of the consumer's addresses.
const RARELY_AWAY: u64 = 200;
/// APIs that a consumer calls.
const HABITUAL_APIS: usize = 2;
/// One call of so many goes to another operation than it usually does.
const RARELY_ELSEWHERE: u64 = 100;
/// Sessions that are under way at the same time, and calls of each.
const SESSIONS: u64 = 1024;
const SESSION: u64 = 12;
/// Of so many calls in a row the first ones have trouble among them.
const CALM: u64 = 100_000;
const TROUBLE: u64 = 1000;
/// Networks from which a key is used that somebody has published.
const NETWORKS_OF_A_KEY: usize = 40;
const THINGS: u64 = 1_000_000;
/// First bytes of networks that are given out in different parts of the world.
const REGIONS: [u8; 12] = [2, 5, 24, 41, 62, 80, 91, 103, 151, 177, 185, 203];

/// How callers choose what to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Callers {
    /// Each in its usual order, from its usual addresses, mostly; and half a call of a hundred means harm or fails.
    Habits,
    /// Anything, from any of their addresses.
    Random,
}

/// One call, as numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Picked {
    /// Who calls; none: nobody that is known.
    pub(crate) consumer: Option<usize>,
    /// The API and its operation; none: no API takes this path.
    pub(crate) called: Option<(usize, usize)>,
    /// What is asked for.
    pub(crate) thing: u64,
    /// For [`address_of`].
    pub(crate) address: usize,
    /// 429: a limit of the gateway's.
    pub(crate) status: u32,
    /// The backend's part; 0: it was not asked.
    pub(crate) backend_us: u64,
}

/// What is the matter with half of the calls of a while.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// One address tries paths that there are not.
    Probe,
    /// One consumer goes through all things of an operation.
    Scrape,
    /// One key is used from many networks.
    Shared,
    /// A backend is slow and fails.
    Outage,
}

impl Callers {
    /// By the word for it.
    pub(crate) fn named(word: &str) -> Option<Self> {
        [Self::Habits, Self::Random].into_iter().find(|callers| callers.name() == word)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Habits => "habits",
            Self::Random => "random",
        }
    }

    /// The call of this number.
    pub(crate) fn pick(self, at: u64) -> Picked {
        let mut dice = mixed(1, at);
        match self {
            Self::Habits => habitual(at, &mut dice),
            Self::Random => {
                let consumer = dice.cubic(CONSUMERS);
                let called = (dice.cubic(APIS), dice.cubic(OPERATIONS));
                let address = address_number(consumer, dice.cubic(ADDRESSES_OF_A_CONSUMER));
                Picked::new(consumer, called, address, &mut dice)
            }
        }
    }
}

impl Picked {
    fn new(consumer: usize, called: (usize, usize), address: usize, dice: &mut Dice) -> Self {
        let (consumer, called) = (Some(consumer), Some(called));
        let (thing, backend_us) = (dice.next() % THINGS, dice.time_us());
        let (status, backend_us) = match dice.next() % 100 {
            0 => (503, backend_us),
            1 => (404, backend_us),
            2 => (429, 0),
            _ => (200, backend_us),
        };
        Self { consumer, called, thing, address, status, backend_us }
    }
}

/// A consumer goes through its usual operations in their usual order, session after session.
fn habitual(at: u64, dice: &mut Dice) -> Picked {
    if at % CALM < TROUBLE && at.is_multiple_of(2) {
        return troubled(at, dice);
    }
    let (round, lane) = (at / SESSIONS, at % SESSIONS);
    let place = round + lane % SESSION;
    let mut session = mixed(2, (place / SESSION) * SESSIONS + lane);
    let consumer = session.cubic(CONSUMERS);
    let address = if session.next().is_multiple_of(RARELY_AWAY) {
        session.cubic(ADDRESSES_OF_A_CONSUMER)
    } else {
        session.cubic(USUAL_ADDRESSES)
    };
    let (api, usual) = step_of(consumer, place % SESSION);
    let is_elsewhere = dice.next().is_multiple_of(RARELY_ELSEWHERE);
    let operation = if is_elsewhere { dice.cubic(OPERATIONS) } else { usual };
    Picked::new(consumer, (api, operation), address_number(consumer, address), dice)
}

/// What a consumer usually calls at this step of a session.
fn step_of(consumer: usize, step: u64) -> (usize, usize) {
    let mut habit = mixed(3, consumer as u64);
    let apis: [usize; HABITUAL_APIS] = std::array::from_fn(|_| habit.cubic(APIS));
    let steps = 3 + habit.next() % 4;
    let own = (0..=step % steps).map(|_| {
        let api = apis.get(habit.cubic(HABITUAL_APIS)).copied().unwrap_or(0);
        (api, habit.cubic(OPERATIONS))
    });
    own.last().unwrap_or((0, 0))
}

fn troubled(at: u64, dice: &mut Dice) -> Picked {
    let (time, step) = (at / CALM, at % CALM / 2);
    let all = [Trouble::Probe, Trouble::Scrape, Trouble::Shared, Trouble::Outage];
    let (trouble, mut chosen) = (all.into_iter().cycle().nth((time % 4) as usize), mixed(4, time));
    let consumer = chosen.cubic(CONSUMERS);
    let own = Picked::new(consumer, step_of(consumer, 0), address_number(consumer, 0), dice);
    match trouble.unwrap_or(Trouble::Probe) {
        Trouble::Probe => {
            let address = address_number(CONSUMERS, chosen.cubic(1000));
            let (consumer, called) = (None, None);
            Picked { consumer, called, address, status: 404, backend_us: 0, ..own }
        }
        Trouble::Scrape => Picked { thing: step, status: 200, ..own },
        Trouble::Shared => {
            let network =
                usize::try_from(dice.next() % NETWORKS_OF_A_KEY as u64).unwrap_or_default();
            let address = address_number(CONSUMERS, 1000 + network);
            Picked { address, ..own }
        }
        Trouble::Outage => {
            let (consumer, failing) = (dice.cubic(CONSUMERS), chosen.cubic(APIS));
            let (called, address) =
                ((failing, dice.cubic(OPERATIONS)), address_number(consumer, 0));
            let call = Picked::new(consumer, called, address, dice);
            Picked { status: 503, backend_us: 10_000_000, ..call }
        }
    }
}

fn address_number(consumer: usize, number: usize) -> usize {
    consumer * ADDRESSES_OF_A_CONSUMER + number
}

/// The address of this number; a fifth of them are IPv6.
pub(crate) fn address_of(number: usize) -> IpAddr {
    let drawn = Dice(number as u64).next().to_le_bytes();
    let [first, rest @ ..] = drawn;
    if number.is_multiple_of(5) {
        // 2a0…, and what was drawn behind it.
        let begins = 0x2a00_u128 | u128::from(first & 0x0f);
        let drawn = u128::from(u64::from_be_bytes(drawn) & 0x00ff_ffff_ffff_ffff);
        return Ipv6Addr::from_bits(begins << 112 | drawn << 56).into();
    }
    let region = REGIONS.get(usize::from(first) % REGIONS.len()).copied().unwrap_or(2);
    let [second, third, fourth, ..] = rest;
    Ipv4Addr::new(region, second, third, fourth).into()
}

fn mixed(what: u64, number: u64) -> Dice {
    Dice(Dice(number.wrapping_mul(0xd134_2543_de82_ef95)).next().wrapping_add(what << 56))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small numbers above 0"
)]
impl Dice {
    /// One of so many, the first far more often than the last.
    fn cubic(&mut self, many: usize) -> usize {
        (self.unit().powi(3) * many as f64) as usize
    }

    /// Milliseconds, mostly; one of a hundred takes twenty times as long.
    fn time_us(&mut self) -> u64 {
        let usual = (self.unit() + self.unit() + self.unit() - 1.5) * 1.6;
        let slow = if self.next().is_multiple_of(100) { 20.0 } else { 1.0 };
        (8000.0 * usual.exp() * slow) as u64
    }
}
