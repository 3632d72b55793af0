//! How do clients renew their tokens?

use serde::{Deserialize, Serialize};

use super::call::Renewal;
use super::desk::{Desk, Matter};
use super::finding::Alarm;
use super::keyed::{Key, Keyed};
use super::volume::{Turn, Volume};
use super::words::{Words, who};
use crate::callers::{Crossings, Interval, Renewals};
use crate::span::{HOUR_US, MINUTE_US};

/// Minutes before a number of tokens in a minute is unusual.
const MINUTES: u64 = 3;
/// Tokens that are counted within an hour at most.
const MOST_COUNTED: usize = 10_000;

/// What is known of the tokens of clients.
#[derive(Clone, Debug)]
pub(super) struct Tokens {
    pub(super) renewals: Keyed<Renewed>,
    pub(super) storms: Keyed<Volume>,
}

/// Tokens of one client for one person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Renewed {
    rhythm: Renewals,
    hour: Crossings,
}

impl Tokens {
    pub(super) fn new(most: usize) -> Self {
        Self { renewals: Keyed::new(most), storms: Keyed::new(most) }
    }

    /// A token was issued.
    pub(super) fn see(&mut self, renewal: &Renewal<'_>, desk: &mut Desk<'_>) {
        let alarm = Alarm::AbnormalRefresh;
        let Some(rule) = desk.rule(alarm) else { return };
        let Renewal { at_us, user, client, scope } = *renewal;
        let most = rule.count().min(MOST_COUNTED);
        let renewed = self.renewals.of(&Key::of([user, client, scope]), at_us, |_| Renewed {
            rhythm: Renewals::default(),
            hour: Crossings::new(most, HOUR_US),
        });
        let learning = u32::try_from(rule.learning).unwrap_or(u32::MAX);
        let rhythm = renewed.rhythm.renew(at_us, learning);
        renewed.hour.limit(most);
        let in_an_hour = renewed.hour.cross(at_us);
        let storm = self.storms.of(&Key::of([client]), at_us, |_| Volume::default());
        let minute = at_us.div_euclid(MINUTE_US);
        let (storm, _) = storm.take(minute, 1, MINUTES, rule.sensitivity);
        let matter = Matter::of(alarm, at_us, &rule);
        let about = [("user", user), ("client", client)];
        let scoped = |message: String, mut evidence: Words| {
            evidence.push(("scope", scope.to_owned()));
            (message, evidence)
        };
        if !rule.is_learned() {
            if let Some(count) = in_an_hour {
                desk.tell(matter, &about, || {
                    let message =
                        format!("{} got {count} tokens within an hour.", who(user, client));
                    scoped(message, vec![("renewals", count.to_string())])
                });
            }
            return;
        }
        if let Some((after_us, usual_us, how)) = out_of_rhythm(rhythm) {
            desk.tell(matter, &about, || {
                let message = format!("{} renewed a token {how} than ever.", who(user, client));
                let usual = format!("{usual_us:.0}");
                scoped(message, vec![("after_us", after_us.to_string()), ("usual_us", usual)])
            });
        }
        if let Some(Turn::More { calls, usual }) = storm {
            desk.tell(matter, &[("client", client)], || {
                let message =
                    format!("Client {client} asked for more than {usual:.0} tokens in a minute.");
                let usual = format!("{usual:.0}");
                scoped(message, vec![("tokens", calls.to_string()), ("usual", usual)])
            });
        }
    }
}

/// After how long, what is usual, and how that is.
const fn out_of_rhythm(rhythm: Interval) -> Option<(i64, f64, &'static str)> {
    match rhythm {
        Interval::Usual => None,
        Interval::Early { after_us, usual_us } => Some((after_us, usual_us, "sooner")),
        Interval::Late { after_us, usual_us } => Some((after_us, usual_us, "later")),
    }
}
