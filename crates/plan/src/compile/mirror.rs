//! Which servers get copies of an API's calls?

use std::sync::Arc;

use turnpike_proto::config::v1::Mirror;

use super::backend::{EndpointPlan, compile_endpoint};
use super::named::Named;
use super::places::{Placed, Places, Whose};
use crate::problem::{At, Problems};

/// The longest body that is copied, in bytes, unless the mirror says otherwise.
const USUAL_BODY: u64 = 64 * 1024;
/// The longest body that may be copied, in bytes: it is held until the mirror has it.
const MOST_BODY: u64 = 1024 * 1024;

/// Servers that get copies of calls.
#[derive(Clone, Debug)]
pub struct MirrorPlan {
    /// The servers; they always have a total timeout.
    pub endpoint: Arc<EndpointPlan>,
    /// How many of 100 calls are copied.
    pub percent: u32,
    /// The longest body that is copied, in bytes.
    pub max_body_bytes: usize,
}

/// The mirrors of one API, while it is compiled.
pub(crate) type Mirrors<'n> = Places<'n, MirrorPlan>;

impl Placed for MirrorPlan {
    type Written = Mirror;

    const MANY: &'static str = "mirrors";

    fn off() -> Mirror {
        Mirror { off: true, ..Mirror::default() }
    }

    fn is_off(written: &Mirror) -> bool {
        written.off
    }

    fn compile(
        mirror: &Mirror,
        whose: Whose<'_>,
        at: &At<'_>,
        problems: &mut Problems,
    ) -> Option<Self> {
        compile_mirror(mirror, whose.named, at, problems)
    }
}

/// The plan; `None` where something is wrong, which is told.
fn compile_mirror(
    mirror: &Mirror,
    named: Named<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<MirrorPlan> {
    let percent = mirror.percent.unwrap_or(100);
    if percent > 100 {
        let suggestion = "write a number from 0 to 100";
        problems.add(&at.name("percent"), "it is a percentage, at most 100", suggestion);
    }
    let max_body_bytes = mirror.max_body_bytes.unwrap_or(USUAL_BODY);
    if max_body_bytes > MOST_BODY {
        let reason = format!("a body that is copied has at most {MOST_BODY} bytes");
        let suggestion = "calls with longer ones are not copied";
        problems.add(&at.name("maxBodyBytes"), reason, suggestion);
    }
    let here = at.name("endpoint");
    let Some(endpoint) = &mirror.endpoint else {
        problems.add(&here, "a mirror needs servers", "write `endpoint: { urls: [ … ] }`");
        return None;
    };
    if endpoint.sticky.is_some() {
        let reason = "the answers of a mirror reach no client, so no client gets its cookie";
        let suggestion = "leave it out, or write `balance: ring_hash`";
        problems.add(&here.name("sticky"), reason, suggestion);
    }
    let mut endpoint = compile_endpoint(endpoint, named, &here, problems)?;
    // Nobody waits for the answer, so nobody but the clock ends a copy whose mirror does not.
    endpoint.total_timeout.get_or_insert(endpoint.timeout);
    Some(MirrorPlan {
        endpoint: Arc::new(endpoint),
        percent,
        max_body_bytes: usize::try_from(max_body_bytes).unwrap_or(usize::MAX),
    })
}

#[cfg(test)]
#[path = "mirror_tests.rs"]
mod tests;
