//! Who gets through while the key manager is away, slow, broken, confused or silent?
//!
//! Twelve kinds of credential under each trouble. What can be judged here is judged as ever; what needs
//! somebody who is away is refused with 503, and nobody says that it is bad. Nothing bad gets through.

use std::fmt::Write as _;

use futures_util::future::join_all;

use crate::program::Stand;
use crate::scripted::Trouble;
use crate::shown::{KINDS, Kind, STANDINGS, Standing, take_back};

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing is wrong: what is good is good, and what is bad is bad.
    Well,
    Down,
    Slow,
    Failing,
    Garbage,
    WrongKeys,
    /// Nothing is heard of revocations, and the API does not go on then.
    Stale,
    /// The same, and the API goes on.
    StaleAccepted,
    NoProviderKeys,
}

const FAULTS: [Fault; 9] = [
    Fault::Well,
    Fault::Down,
    Fault::Slow,
    Fault::Failing,
    Fault::Garbage,
    Fault::WrongKeys,
    Fault::Stale,
    Fault::StaleAccepted,
    Fault::NoProviderKeys,
];

impl Fault {
    const fn trouble(self) -> Trouble {
        match self {
            Self::Well | Self::Down => Trouble::None,
            Self::Slow => Trouble::Slow,
            Self::Failing => Trouble::Failing,
            Self::Garbage => Trouble::Garbage,
            Self::WrongKeys => Trouble::WrongKeys,
            Self::Stale | Self::StaleAccepted => Trouble::Silent,
            Self::NoProviderKeys => Trouble::NoProviderKeys,
        }
    }

    /// Whether nobody can be asked.
    const fn is_mute(self) -> bool {
        matches!(self, Self::Down | Self::Slow | Self::Failing | Self::Garbage)
    }
}

/// What is expected of the credentials of a kind, in the order of `STANDINGS`.
const fn expected(kind: Kind, fault: Fault) -> [u16; 5] {
    let usual = [200, 200, 401, 401, 401];
    match (kind, fault) {
        (
            Kind::KeyInField | Kind::KeyInQuery | Kind::KnownCertificate | Kind::SignedCertificate,
            _,
        )
        | (Kind::Opaque | Kind::ProviderOpaque | Kind::Password, Fault::WrongKeys)
        | (Kind::ProviderJwt | Kind::ProviderOpaque, Fault::Stale) => usual,
        // What was revoked is known here, and ends what was said before.
        (Kind::Opaque | Kind::ProviderOpaque, _) if fault.is_mute() => [200, 503, 503, 401, 503],
        // A password that counts no more may be right again, and nobody can say.
        (Kind::Password, _) if fault.is_mute() => [200, 503, 503, 503, 503],
        // A key that its owner has taken back is good for nothing, and that is known.
        (_, Fault::WrongKeys) => [401; 5],
        (Kind::ProviderJwt, Fault::NoProviderKeys) => [503; 5],
        (_, Fault::Stale) => [503, 503, 401, 401, 401],
        _ => usual,
    }
}

/// What each kind gets under `fault`, in the order of `KINDS` and `STANDINGS`.
async fn column(fault: Fault) -> Vec<[u16; 5]> {
    let stand = Stand::start(|resources| resources).await;
    let Stand { gateway, key_manager, callers, .. } = &stand;
    let strict = |kind: Kind| {
        let others =
            [Kind::KeyInField, Kind::KeyInQuery, Kind::KnownCertificate, Kind::SignedCertificate];
        fault == Fault::Stale && !others.contains(&kind)
    };
    let ask =
        async |kind, standing| gateway.call(callers.shows(kind, standing, strict(kind))).await;
    for kind in KINDS {
        for standing in [Standing::Known, Standing::Revoked] {
            let what = format!("{} {standing:?} is known", kind.name());
            gateway.until(&what, async || ask(kind, standing).await == 200).await;
        }
    }
    key_manager.knows(take_back);
    stand.take_back();
    for kind in KINDS {
        let what = format!("{} is taken back", kind.name());
        gateway.until(&what, async || ask(kind, Standing::Revoked).await == 401).await;
    }
    key_manager.has(fault.trouble());
    match fault {
        Fault::Down => key_manager.ends().await,
        Fault::WrongKeys => {
            let gone = async || ask(Kind::Jwt, Standing::Known).await == 401;
            gateway.until("the keys are gone", gone).await;
            let gone = async || ask(Kind::ProviderJwt, Standing::Known).await == 401;
            gateway.until("the provider's keys are gone", gone).await;
        }
        Fault::NoProviderKeys => {
            let gone = async || ask(Kind::ProviderJwt, Standing::Known).await == 503;
            gateway.until("the provider's keys are gone", gone).await;
        }
        Fault::Stale | Fault::StaleAccepted => {
            let old =
                async || gateway.call(callers.shows(Kind::Jwt, Standing::Known, true)).await == 503;
            gateway.until("nothing was heard for too long", old).await;
        }
        Fault::Garbage => {
            let read = async || {
                let log = gateway.log();
                log.contains("key set refused") && log.contains("keys of a provider refused")
            };
            gateway.until("the garbage is there", read).await;
        }
        Fault::Well | Fault::Slow | Fault::Failing => {}
    }
    let row = |kind: Kind| join_all(STANDINGS.map(|standing| ask(kind, standing)));
    let rows = join_all(KINDS.map(row)).await;
    rows.into_iter().map(|row| row.try_into().expect("five")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_bad_gets_through_whatever_is_wrong_with_the_key_manager() {
    let columns = join_all(FAULTS.map(column)).await;
    let (mut table, mut failed, mut accepted) = (String::new(), 0, 0);
    for (row, kind) in KINDS.iter().enumerate() {
        let _ = writeln!(table, "{}", kind.name());
        for (fault, column) in FAULTS.iter().zip(&columns) {
            let (said, expected) = (column[row], expected(*kind, *fault));
            let verdict = if said == expected { "" } else { "  FAILED, expected " };
            let wanted = if said == expected { String::new() } else { format!("{expected:?}") };
            let _ = writeln!(table, "  {:16} {said:?}{verdict}{wanted}", format!("{fault:?}"));
            failed += usize::from(said != expected);
            let pairs = said.iter().zip(&expected);
            accepted += pairs.filter(|(said, wanted)| **said == 200 && **wanted != 200).count();
        }
    }
    let cells = KINDS.len() * FAULTS.len();
    eprintln!("known, new, forged, revoked, expired:\n{table}");
    eprintln!("{} passed, {failed} failed, {accepted} false accepts", cells - failed);
    assert_eq!((failed, accepted), (0, 0), "{table}");
}
