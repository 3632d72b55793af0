//! Which content coding does a client like best?
//!
//! RFC 9110 §12.5.3: the one with the highest weight; what is not listed is not wanted, unless `*`
//! is; to be left alone is fine unless the client says otherwise.

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;
use turnpike_proto::config::v1::compression::Coding;

/// What a client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// The coding that it likes best of those on offer; `None`: it wants none of them.
    pub(super) coding: Option<Coding>,
    /// Whether it takes the answer as it is.
    pub(super) takes_plain: bool,
}

/// The choice among `offered`, of which the first one wins among equals.
pub(super) fn choose(headers: &HeaderMap, offered: &[Coding]) -> Choice {
    let wanted = Wanted::of(headers);
    let mut best: Option<(Coding, u16)> = None;
    for coding in offered {
        let weight = wanted.weight(*coding);
        if weight > best.map_or(0, |(_, weight)| weight) {
            best = Some((*coding, weight));
        }
    }
    // Who says that plain is better means it; who does not mention it takes either.
    let plain = wanted.plain.or(wanted.any.filter(|weight| *weight == 0));
    let coding = best.filter(|(_, weight)| plain.is_none_or(|plain| *weight >= plain));
    Choice { coding: coding.map(|(coding, _)| coding), takes_plain: plain != Some(0) }
}

/// Weights in thousandths.
#[derive(Default)]
struct Wanted {
    gzip: Option<u16>,
    br: Option<u16>,
    zstd: Option<u16>,
    plain: Option<u16>,
    any: Option<u16>,
}

impl Wanted {
    fn of(headers: &HeaderMap) -> Self {
        let mut wanted = Self::default();
        let lines = headers.get_all(ACCEPT_ENCODING).iter();
        let members = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
        for member in members {
            let (name, rest) = member.split_once(';').unwrap_or((member, ""));
            let Some(weight) = weight(rest) else { continue };
            let place = match name.trim().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => &mut wanted.gzip,
                "br" => &mut wanted.br,
                "zstd" => &mut wanted.zstd,
                "identity" => &mut wanted.plain,
                "*" => &mut wanted.any,
                _ => continue,
            };
            *place = Some(weight);
        }
        wanted
    }

    fn weight(&self, coding: Coding) -> u16 {
        let own = match coding {
            Coding::Gzip => self.gzip,
            Coding::Br => self.br,
            Coding::Zstd => self.zstd,
        };
        own.or(self.any).unwrap_or(0)
    }
}

/// `q=0.5` in thousandths; 1 where nothing stands; `None` where it is no weight.
fn weight(parameters: &str) -> Option<u16> {
    let parameters = parameters.trim();
    if parameters.is_empty() {
        return Some(1000);
    }
    let (name, value) = parameters.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let (whole, part) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    let digits = part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    let thousandths: u16 = format!("{part:0<3}").parse().ok().filter(|_| digits)?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is chosen of br, zstd and gzip, and whether plain would be taken.
    #[track_caller]
    fn check(said: &str, expected: &str) {
        let mut headers = HeaderMap::new();
        for line in said.lines() {
            headers.append(ACCEPT_ENCODING, line.parse().unwrap());
        }
        let choice = choose(&headers, &[Coding::Br, Coding::Zstd, Coding::Gzip]);
        let coding = choice.coding.map_or("plain", |coding| coding.as_str_name());
        let plain = if choice.takes_plain { "" } else { ", not plain" };
        assert_eq!(format!("{coding}{plain}"), expected, "{said}");
    }

    #[test]
    fn the_heaviest_is_chosen_and_of_equals_the_one_that_is_offered_first() {
        check("gzip", "gzip");
        check("gzip, deflate, br, zstd", "br");
        check("gzip, br;q=0.5", "gzip");
        check("gzip;q=0.001, br;q=0", "gzip");
        check("GZIP ; Q=0.8", "gzip");
        check("x-gzip", "gzip");
        check("*", "br");
        check("br;q=0, *", "zstd");
        check("gzip\nbr;q=0.9", "gzip");
    }

    #[test]
    fn who_does_not_ask_is_left_alone() {
        for said in ["", "identity", "deflate", "gzip;q=0", "gzip;q=0.0", "*;q=0, identity"] {
            check(said, "plain");
        }
    }

    #[test]
    fn plain_that_is_liked_better_stays_plain() {
        check("identity, gzip;q=0.5", "plain");
        check("identity;q=0.5, gzip", "gzip");
        check("gzip, identity", "gzip");
    }

    #[test]
    fn plain_may_be_refused() {
        check("gzip, identity;q=0", "gzip, not plain");
        check("gzip, *;q=0", "gzip, not plain");
        check("identity;q=0", "plain, not plain");
    }

    #[test]
    fn a_weight_that_is_none_is_not_heard() {
        for said in
            ["gzip;q=2", "gzip;q=1.5", "gzip;q=0.1234", "gzip;q=a", "gzip;level=9", "gzip;q"]
        {
            check(said, "plain");
        }
    }
}
