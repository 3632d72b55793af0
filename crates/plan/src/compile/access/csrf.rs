//! Which pages may make a browser send calls?

use turnpike_proto::config::v1::CsrfCheck;

use crate::compile::origin::{Origin, compile_origins};
use crate::problem::{At, Problems};

/// The check of calls that pages of other sites make a browser send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsrfPlan {
    /// Whether a call that names no page is refused.
    pub require_origin: bool,
    origins: Vec<Origin>,
}

impl CsrfPlan {
    /// Whether pages of `origin` may, besides those of the host that is called.
    pub fn allows(&self, origin: &str) -> bool {
        self.origins.iter().any(|known| known.is(origin))
    }
}

pub(super) fn compile_csrf(written: &CsrfCheck, at: &At<'_>, problems: &mut Problems) -> CsrfPlan {
    let list = at.name("allowedOrigins");
    for (index, text) in written.allowed_origins.iter().enumerate() {
        let reason = match text.as_str() {
            "*" => "with every origin there is no check",
            "null" => "`null` is the origin of any sandboxed page",
            _ => continue,
        };
        problems.add(&list.index(index), reason, "name the origins of your pages");
    }
    CsrfPlan {
        require_origin: written.require_origin,
        origins: compile_origins(&written.allowed_origins, &list, problems),
    }
}
