//! What does an API let analytics know of its calls?

use turnpike_proto::config::v1::mask::Kind;
use turnpike_proto::config::v1::{Analytics, Mask};

use super::api::unknown;
use crate::problem::{At, Problems};

/// One in so many calls is the smallest share.
const FEWEST: u32 = 10_000;
/// How far a share may be from one in a whole number: 0.333 is one in three.
const ABOUT: f64 = 0.002;

/// What is reported of the calls of an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnalyticsPlan {
    /// Whether anything is.
    pub reported: bool,
    /// One in so many successful calls is, and counts as so many; at least 1.
    pub one_in: u32,
    /// The user; coarse: a digest.
    pub user: Shown,
    /// The address of the client; coarse: its network.
    pub client_ip: Shown,
    /// The path; coarse: the template of the operation.
    pub path: Shown,
    /// The client's program; never coarse.
    pub user_agent: Shown,
}

/// How much of a value is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shown {
    /// All of it.
    Whole,
    /// Something less exact that stands for it.
    Coarse,
    /// Nothing.
    Nothing,
}

impl AnalyticsPlan {
    /// What both let be known.
    pub(super) fn stricter(self, other: Self) -> Self {
        Self {
            reported: self.reported && other.reported,
            one_in: self.one_in.max(other.one_in),
            user: self.user.max(other.user),
            client_ip: self.client_ip.max(other.client_ip),
            path: self.path.max(other.path),
            user_agent: self.user_agent.max(other.user_agent),
        }
    }

    /// What is reported where it cannot be read what may be.
    pub(super) const fn unreadable() -> Self {
        let (user, client_ip) = (Shown::Nothing, Shown::Nothing);
        let (path, user_agent) = (Shown::Nothing, Shown::Nothing);
        Self { reported: true, one_in: 1, user, client_ip, path, user_agent }
    }
}

/// What is reported of the calls of an API whose definition does not compile, which does not depend on
/// whether they can be served.
pub(super) fn analytics_of_broken(analytics: Option<&Analytics>) -> Option<AnalyticsPlan> {
    let mut unfit = Problems::default();
    let plan = compile_analytics(analytics, &At::ROOT, &mut unfit)?;
    Some(if unfit.is_empty() { plan } else { AnalyticsPlan::unreadable() })
}

/// `None`: everything is reported of every call.
pub(super) fn compile_analytics(
    analytics: Option<&Analytics>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<AnalyticsPlan> {
    let analytics = analytics?;
    let one_in = one_in(analytics.sample, &at.name("sample"), problems);
    let mask = analytics.mask.unwrap_or_default();
    let Mask { user, client_ip, path, user_agent } = mask;
    let at = at.name("mask");
    let mut shown = |name, number, coarse| shown(number, coarse, &at.name(name), problems);
    Some(AnalyticsPlan {
        reported: analytics.enabled.unwrap_or(true),
        one_in,
        user: shown("user", user, Some(Kind::Hash)),
        client_ip: shown("clientIp", client_ip, Some(Kind::Truncate)),
        path: shown("path", path, Some(Kind::Template)),
        user_agent: shown("userAgent", user_agent, None),
    })
}

fn shown(number: i32, coarse: Option<Kind>, at: &At<'_>, problems: &mut Problems) -> Shown {
    match Kind::try_from(number) {
        Ok(Kind::Keep) => Shown::Whole,
        Ok(Kind::Drop) => Shown::Nothing,
        Ok(kind) if Some(kind) == coarse => Shown::Coarse,
        Ok(kind) => {
            let suggestion = coarse.map_or_else(
                || "write KEEP or DROP".to_owned(),
                |coarse| format!("write KEEP, {} or DROP", coarse.as_str_name()),
            );
            let reason = format!("{} is not for this value", kind.as_str_name());
            problems.add(at, reason, suggestion);
            Shown::Nothing
        }
        Err(_) => {
            problems.add(at, unknown(number), "");
            Shown::Nothing
        }
    }
}

/// A call that is reported stands for a whole number of calls, so a share is one in a whole number.
fn one_in(share: Option<f64>, at: &At<'_>, problems: &mut Problems) -> u32 {
    let Some(share) = share else { return 1 };
    if share.is_nan() || share <= 0.0 || share > 1.0 {
        let suggestion = "write for example 0.1; `enabled: false` reports nothing";
        problems.add(at, "a share is more than 0 and at most 1", suggestion);
        return 1;
    }
    let Some(above) = (1..=FEWEST + 1).find(|calls| f64::from(*calls) * share >= 1.0) else {
        problems.add(at, "at least one in 10000 calls is reported", "write 0.0001 or more");
        return 1;
    };
    // The whole number that is meant is the first that reaches the share, or the one before.
    let off = |calls: u32| (f64::from(calls) * share - 1.0).abs();
    let near = if off(above) <= off(above - 1) { above } else { above - 1 };
    if off(near) <= ABOUT {
        return near;
    }
    let (more, fewer) = (1.0 / f64::from(above - 1), 1.0 / f64::from(above));
    let suggestion = format!("write {fewer:.4} or {more:.4}");
    problems.add(at, "a share is one in a whole number of calls", suggestion);
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected` is the plan as "one-in user address path program", or "field: reason; suggestion".
    #[track_caller]
    fn check(analytics: &Analytics, expected: &str) {
        let mut problems = Problems::default();
        let plan = compile_analytics(Some(analytics), &At::ROOT, &mut problems).unwrap();
        let said = problems.into_list().into_iter().next().map_or_else(
            || {
                let AnalyticsPlan { one_in, user, client_ip, path, user_agent, .. } = plan;
                format!("{one_in} {user:?} {client_ip:?} {path:?} {user_agent:?}")
            },
            |problem| format!("{}: {}; {}", problem.field, problem.reason, problem.suggestion),
        );
        assert_eq!(said, expected);
    }

    fn share(sample: f64) -> Analytics {
        Analytics { sample: Some(sample), ..Analytics::default() }
    }

    fn mask(user: Kind, client_ip: Kind, path: Kind, user_agent: Kind) -> Analytics {
        let mask = Mask {
            user: user.into(),
            client_ip: client_ip.into(),
            path: path.into(),
            user_agent: user_agent.into(),
        };
        Analytics { mask: Some(mask), ..Analytics::default() }
    }

    #[test]
    fn a_share_is_one_in_a_whole_number() {
        for (sample, one_in) in [(1.0, 1), (0.5, 2), (0.333, 3), (0.01, 100), (0.0001, 10_000)] {
            check(&share(sample), &format!("{one_in} Whole Whole Whole Whole"));
        }
        let whole = "sample: a share is one in a whole number of calls; write ";
        check(&share(0.75), &format!("{whole}0.5000 or 1.0000"));
        check(&share(0.3), &format!("{whole}0.2500 or 0.3333"));
        let least = "sample: at least one in 10000 calls is reported; write 0.0001 or more";
        check(&share(0.000_01), least);
    }

    #[test]
    fn what_is_no_share_is_refused() {
        let why = "sample: a share is more than 0 and at most 1; write for example 0.1; \
                   `enabled: false` reports nothing";
        for sample in [0.0, -0.5, 1.01, f64::NAN, f64::INFINITY] {
            check(&share(sample), why);
        }
    }

    #[test]
    fn of_two_the_stricter_holds_value_by_value() {
        use Kind::{Drop, Hash, Keep, Template, Truncate};
        let plan = |analytics: &Analytics| {
            compile_analytics(Some(analytics), &At::ROOT, &mut Problems::default()).unwrap()
        };
        let one = plan(&Analytics { sample: Some(0.1), ..mask(Hash, Keep, Template, Keep) });
        let other = plan(&Analytics { sample: Some(0.5), ..mask(Drop, Truncate, Keep, Keep) });
        let both = AnalyticsPlan {
            reported: true,
            one_in: 10,
            user: Shown::Nothing,
            client_ip: Shown::Coarse,
            path: Shown::Coarse,
            user_agent: Shown::Whole,
        };
        assert_eq!((one.stricter(other), other.stricter(one)), (both, both));
        let off = plan(&Analytics { enabled: Some(false), ..Analytics::default() });
        assert!(!off.stricter(one).reported && !one.stricter(off).reported);
    }

    #[test]
    fn each_value_has_its_own_coarse_form() {
        use Kind::{Drop, Hash, Keep, Template, Truncate};
        check(&Analytics::default(), "1 Whole Whole Whole Whole");
        check(&mask(Hash, Truncate, Template, Drop), "1 Coarse Coarse Coarse Nothing");
        check(&mask(Drop, Drop, Drop, Keep), "1 Nothing Nothing Nothing Whole");
        let unfit = |field: &str, kind: &str, words: &str| {
            format!("mask.{field}: {kind} is not for this value; write {words}")
        };
        check(&mask(Truncate, Keep, Keep, Keep), &unfit("user", "TRUNCATE", "KEEP, HASH or DROP"));
        let address = unfit("clientIp", "HASH", "KEEP, TRUNCATE or DROP");
        check(&mask(Keep, Hash, Keep, Keep), &address);
        check(&mask(Keep, Keep, Hash, Keep), &unfit("path", "HASH", "KEEP, TEMPLATE or DROP"));
        check(&mask(Keep, Keep, Keep, Hash), &unfit("userAgent", "HASH", "KEEP or DROP"));
    }
}
