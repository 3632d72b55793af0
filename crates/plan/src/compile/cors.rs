//! Which web pages may read the answers of an API?

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use turnpike_proto::config::v1::Cors;

use super::origin::{self, MAX_ENTRIES, Origin};
use crate::problem::{At, Problems, shown};

const MAX_BYTES: usize = 256;
const MAX_AGE: Duration = Duration::from_hours(24);

/// Cross-origin resource sharing (Fetch standard §3.2), ready to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsPlan {
    /// Whether every origin may read.
    pub any_origin: bool,
    /// Whether credentials of the browser may come along.
    pub credentials: bool,
    /// Methods as a list field; `None`: those of the path, or the one that is asked for.
    pub methods: Option<Arc<str>>,
    /// Whether every method is allowed.
    pub any_method: bool,
    /// Names of request fields as a list field; `None`: those that are asked for.
    pub headers: Option<Arc<str>>,
    /// Names of answer fields as a list field; `None`: none.
    pub expose: Option<Arc<str>>,
    /// How long a preflight holds, in seconds; `None`: not said.
    pub max_age: Option<u64>,
    origins: Vec<Origin>,
}

impl CorsPlan {
    /// Whether pages of `origin`, as the `Origin` field says it, may read.
    pub fn allows(&self, origin: &str) -> bool {
        self.any_origin || self.origins.iter().any(|known| known.is(origin))
    }

    /// Whether the answer depends on who asks.
    pub const fn depends_on_origin(&self) -> bool {
        !self.any_origin
    }
}

/// The plan; `None` where nothing is said.
pub(crate) fn compile_cors(
    cors: Option<&Cors>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<Arc<CorsPlan>> {
    let cors = cors?;
    let (any_origin, origins) = compile_origins(cors, &at.name("allowOrigins"), problems);
    let mut list = |name: &str, names: &[String], check: fn(&str) -> bool| {
        let any = names.is_empty() || names.iter().any(|one| one == "*");
        check_list(names, &at.name(name), problems, check);
        (!any).then(|| Arc::<str>::from(names.join(", ")))
    };
    let methods = list("allowMethods", &cors.allow_methods, is_method);
    let headers = list("allowHeaders", &cors.allow_headers, is_token);
    let mut expose = list("exposeHeaders", &cors.expose_headers, is_token);
    if cors.expose_headers.iter().any(|one| one == "*") {
        expose = Some("*".into());
        if cors.allow_credentials {
            let reason = "with credentials `*` stands for a field of that name (Fetch 3.2.4)";
            problems.add(&at.name("exposeHeaders"), reason, "name the fields");
        }
    }
    let max_age = cors.max_age.as_ref().and_then(|given| {
        let age = Duration::try_from(*given).ok().filter(|age| *age <= MAX_AGE);
        if age.is_none() {
            let reason = "an answer to a preflight holds for at most 24 hours";
            problems.add(&at.name("maxAge"), reason, "write for example `600s`");
        }
        age.map(|age| age.as_secs())
    });
    Some(Arc::new(CorsPlan {
        any_origin,
        credentials: cors.allow_credentials,
        any_method: cors.allow_methods.iter().any(|one| one == "*"),
        methods,
        headers,
        expose,
        max_age,
        origins,
    }))
}

fn compile_origins(cors: &Cors, at: &At<'_>, problems: &mut Problems) -> (bool, Vec<Origin>) {
    let given = &cors.allow_origins;
    let any = given.is_empty() || given.iter().any(|one| one == "*");
    if any && cors.allow_credentials {
        let reason = "with credentials every origin has to be named (Fetch 3.2.5)";
        problems.add(at, reason, "write for example `https://shop.example`");
    }
    if any && given.len() > 1 {
        problems.add(at, "`*` stands alone", "leave out `*`, or everything else");
    }
    if cors.allow_credentials && given.iter().any(|one| one == "null") {
        let reason = "`null` is the origin of any sandboxed page";
        problems.add(at, reason, "leave it out, or leave out the credentials");
    }
    (any, origin::compile_origins(given, at, problems))
}

fn check_list(names: &[String], at: &At<'_>, problems: &mut Problems, is: fn(&str) -> bool) {
    if names.len() > MAX_ENTRIES {
        problems.add(at, format!("there are {}, at most {MAX_ENTRIES}", names.len()), "");
        return;
    }
    let mut seen = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        if name == "*" && names.len() > 1 {
            let suggestion = "leave out `*`, or everything else";
            problems.add(&at.index(index), "`*` stands alone", suggestion);
        } else if name != "*" && !is(name) {
            let mut reason = String::new();
            // Writing to a String does not fail.
            let _ = write!(reason, "`{}` cannot stand in this list", shown(name));
            problems.add(&at.index(index), reason, "");
        } else if !seen.insert(name.to_ascii_lowercase()) {
            problems.add(&at.index(index), format!("`{name}` stands twice"), "keep one of them");
        }
    }
}

/// RFC 9110 §5.6.2.
fn is_token(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=MAX_BYTES).contains(&name.len()) && name.bytes().all(token)
}

/// Methods are compared byte for byte, and the known ones are in capitals.
fn is_method(name: &str) -> bool {
    is_token(name) && !name.bytes().any(|byte| byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(patterns: &str, origin: &str, allowed: bool) {
        let allow_origins = patterns.split_whitespace().map(str::to_owned).collect();
        let cors = Cors { allow_origins, ..Cors::default() };
        let mut problems = Problems::default();
        let plan = compile_cors(Some(&cors), &At::ROOT, &mut problems).unwrap();
        assert!(problems.is_empty(), "{:?}", problems.into_list());
        assert_eq!(plan.allows(origin), allowed, "{patterns} {origin}");
    }

    #[test]
    fn an_exact_origin_is_compared_as_a_whole() {
        let known = "https://shop.example HTTP://Dev.Example:8080 https://safe.example:443";
        check(known, "https://shop.example", true);
        check(known, "http://dev.example:8080", true);
        check(known, "https://safe.example", true);
        for other in [
            "http://shop.example",
            "https://shop.example:444",
            "https://shop.example.evil.example",
            "https://evilshop.example",
            "https://shopxexample",
            "https://shop.example/",
            "https://shop.example https://evil.example",
            "null",
            "",
        ] {
            check(known, other, false);
        }
        check("null", "null", true);
        check("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443", true);
        check("", "https://anybody.example", true);
    }

    #[test]
    fn a_pattern_leaves_only_the_first_labels_open() {
        let below = "https://*.wso2.com";
        check(below, "https://a.wso2.com", true);
        check(below, "https://a.b-c.wso2.com", true);
        for other in [
            "https://wso2.com",
            "https://evil-wso2.com",
            "https://evil-wso2xcom",
            "https://a.wso2xcom",
            "https://.wso2.com",
            "https://a..wso2.com",
            "https://evil.example/.wso2.com",
            "https://evil.example#.wso2.com",
            "https://user@evil.wso2.com",
            "https://a.wso2.com:8443",
            "https://a.wso2.com.evil.example",
            "http://a.wso2.com",
        ] {
            check(below, other, false);
        }
        check("http://*.dev.example:8080", "http://x.dev.example:8080", true);
    }

    #[track_caller]
    fn refused(cors: &Cors, said: &str) {
        let mut problems = Problems::default();
        compile_cors(Some(cors), &At::ROOT, &mut problems);
        let shown: Vec<String> = problems.into_list().iter().map(crate::describe).collect();
        assert!(shown.iter().any(|line| line.contains(said)), "{said} in {shown:?}");
    }

    fn origins(list: &[&str]) -> Cors {
        let allow_origins = list.iter().map(|one| (*one).to_owned()).collect();
        Cors { allow_origins, ..Cors::default() }
    }

    #[test]
    fn what_would_open_more_than_was_meant_is_refused() {
        let with_credentials = |list: &[&str]| Cors { allow_credentials: true, ..origins(list) };
        refused(&with_credentials(&["*"]), "every origin has to be named");
        refused(&with_credentials(&[]), "every origin has to be named");
        refused(&with_credentials(&["null"]), "any sandboxed page");
        refused(&origins(&["*", "https://a.example"]), "`*` stands alone");
        for wrong in ["a.example", "https://", "https://a*.example", "https://*", "*.a.example"] {
            refused(&origins(&[wrong]), "is no origin");
        }
        refused(&origins(&["https://a.example/"]), "write `https://a.example`");
        refused(&origins(&["https://a.example:0"]), "a port is a number");
        let expose = vec!["*".to_owned()];
        let cors = Cors { expose_headers: expose, ..with_credentials(&["https://a.example"]) };
        refused(&cors, "name the fields");
        let allow_methods = vec!["get".to_owned()];
        refused(&Cors { allow_methods, ..Cors::default() }, "cannot stand in this list");
    }
}
