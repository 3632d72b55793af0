//! What of a call does its API let be reported?
//!
//! Asked before a call is encoded: what is left out here reaches neither the spool nor the collector.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aws_lc_rs::hmac;
use plan::{AnalyticsPlan, Shown};
use spool::Call;

use crate::hex::hex;

/// Makes digests of users; gateways with the same secret make the same ones.
#[derive(Clone, Debug)]
pub(super) struct Digests(hmac::Key);

impl Digests {
    pub(super) fn of(secret: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))
    }

    /// 128 bits in hexadecimal: nobody finds two users with one digest.
    fn digest(&self, user: &str) -> [u8; 32] {
        let tag = hmac::sign(&self.0, user.as_bytes());
        hex(tag.as_ref().first_chunk().copied().unwrap_or_default())
    }
}

/// Whether the call is one of those that are reported, and for how many it stands.
pub(super) fn weight(call: &Call<'_>, plan: &AnalyticsPlan) -> Option<u32> {
    if !plan.reported {
        return None;
    }
    let succeeded = call.fault_code == 0 && (1..400).contains(&call.status);
    if plan.one_in <= 1 || !succeeded {
        return Some(1);
    }
    // The name of a call is as good as drawn, and nothing that clients send goes into it.
    let [_, _, _, _, _, _, _, _, drawn @ ..] = call.request_id;
    let is_drawn = u64::from_be_bytes(drawn).is_multiple_of(plan.one_in.into());
    is_drawn.then_some(plan.one_in)
}

/// Hands on as much of the call as its API lets be reported.
pub(super) fn masked(
    call: &Call<'_>,
    plan: &AnalyticsPlan,
    digests: &Digests,
    report: impl FnOnce(&Call<'_>),
) {
    let Some(weight) = weight(call, plan) else { return };
    let digest =
        (plan.user == Shown::Coarse && !call.user.is_empty()).then(|| digests.digest(call.user));
    let user = match plan.user {
        Shown::Whole => call.user,
        Shown::Coarse => digest.as_ref().and_then(|it| str::from_utf8(it).ok()).unwrap_or_default(),
        Shown::Nothing => "",
    };
    let path = match plan.path {
        Shown::Whole => call.path,
        Shown::Coarse => call.operation,
        Shown::Nothing => "",
    };
    let client_ip = match plan.client_ip {
        Shown::Whole => call.client_ip,
        Shown::Coarse => call.client_ip.map(network),
        Shown::Nothing => None,
    };
    let user_agent: &[u8] = if plan.user_agent == Shown::Whole { call.user_agent } else { &[] };
    report(&Call { path, user, client_ip, user_agent, weight, ..*call });
}

/// The first 24 bits of an IPv4 address, the first 48 of an IPv6 address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => (v4 & Ipv4Addr::new(255, 255, 255, 0)).into(),
        IpAddr::V6(v6) => (v6 & Ipv6Addr::new(0xffff, 0xffff, 0xffff, 0, 0, 0, 0, 0)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::sha256;

    const OPEN: AnalyticsPlan = AnalyticsPlan {
        reported: true,
        one_in: 1,
        user: Shown::Whole,
        client_ip: Shown::Whole,
        path: Shown::Whole,
        user_agent: Shown::Whole,
    };

    /// Ann's call from an address; `said` is what is reported as "user|address|path|program".
    #[track_caller]
    fn check(plan: AnalyticsPlan, address: &str, said: Option<&str>) {
        let call = Call {
            user: "ann",
            client_ip: address.parse().ok(),
            path: "/orders/1.0.0/17",
            operation: "/{id}",
            user_agent: b"curl/8",
            status: 200,
            ..Call::default()
        };
        let mut reported = None;
        masked(&call, &plan, &Digests::of("s"), |call| {
            let address = call.client_ip.map_or_else(String::new, |ip| ip.to_string());
            let program = String::from_utf8_lossy(call.user_agent).into_owned();
            reported = Some(format!("{}|{address}|{}|{program}", call.user, call.path));
        });
        assert_eq!(reported.as_deref(), said);
    }

    #[test]
    fn what_is_not_to_be_known_is_left_out_or_made_coarse() {
        check(OPEN, "203.0.113.77", Some("ann|203.0.113.77|/orders/1.0.0/17|curl/8"));
        let (coarse, nothing) = (Shown::Coarse, Shown::Nothing);
        let plan = AnalyticsPlan { user: coarse, client_ip: coarse, path: coarse, ..OPEN };
        let digest = "3a96c6610ff1bf4eff9272d8f8de96ca";
        check(plan, "203.0.113.77", Some(&format!("{digest}|203.0.113.0|/{{id}}|curl/8")));
        check(plan, "2001:db8:1:2::3", Some(&format!("{digest}|2001:db8:1::|/{{id}}|curl/8")));
        check(plan, "::ffff:203.0.113.77", Some(&format!("{digest}|203.0.113.0|/{{id}}|curl/8")));
        let plan = AnalyticsPlan { user: nothing, client_ip: nothing, ..OPEN };
        let plan = AnalyticsPlan { path: nothing, user_agent: nothing, ..plan };
        check(plan, "203.0.113.77", Some("|||"));
        check(AnalyticsPlan { reported: false, ..OPEN }, "203.0.113.77", None);
    }

    #[test]
    fn users_are_told_apart_and_secrets_keep_their_digests_apart() {
        let digest = |secret, user| Digests::of(secret).digest(user);
        assert_eq!(digest("s", "ann"), digest("s", "ann"));
        assert_ne!(digest("s", "ann"), digest("s", "ben"));
        assert_ne!(digest("s", "ann"), digest("t", "ann"));
    }

    /// Calls with names that are as good as drawn: how many of them are reported, and for how many
    /// calls these stand together.
    fn sampled(one_in: u32, status: u16, fault_code: u32) -> (u64, u64) {
        let plan = AnalyticsPlan { one_in, ..OPEN };
        let mut sums = (0, 0);
        for number in 0..100_000_u32 {
            let drawn = sha256([number.to_be_bytes().as_slice()]);
            let request_id = *drawn.first_chunk().expect("32 bytes");
            let call = Call { request_id, status, fault_code, ..Call::default() };
            if let Some(weight) = weight(&call, &plan) {
                sums = (sums.0 + 1, sums.1 + u64::from(weight));
            }
        }
        sums
    }

    #[test]
    fn a_sample_counts_as_all_of_which_it_is_taken() {
        for one_in in [2, 3, 10, 100] {
            let (reported, stand_for) = sampled(one_in, 200, 0);
            let expected = 100_000 / u64::from(one_in);
            // Five times the deviation that such draws have.
            assert!(reported.abs_diff(expected) < 5 * expected.isqrt(), "{one_in}: {reported}");
            assert_eq!(stand_for, reported * u64::from(one_in));
        }
    }

    #[test]
    fn no_call_that_failed_is_left_out() {
        for (status, fault_code) in [(429, 900_800), (200, 101_505), (500, 0), (404, 0), (0, 0)] {
            assert_eq!(sampled(100, status, fault_code), (100_000, 100_000));
        }
    }
}
