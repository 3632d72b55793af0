//! Was it a page of another site that made a browser send this call?
//!
//! Browsers say so themselves: in `Sec-Fetch-Site` on connections that they trust, and in `Origin`
//! with every method that is not safe. Neither can be written by a page. Programs say neither, and
//! send nothing that their user did not mean.

use chassis::proxies::Proxies;
use http::header::{ORIGIN, REFERER};
use http::{HeaderMap, HeaderName, Method};
use plan::CsrfPlan;

use crate::called::{Called, called};
use crate::fault::CrossSite;
use crate::received::Received;
use crate::websocket;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Checks a call, if it is one that could do harm.
pub(super) fn check(
    plan: &CsrfPlan,
    received: &Received,
    proxies: &Proxies,
) -> Result<(), CrossSite> {
    let headers = &received.headers;
    // A handshake is a GET, and what follows it is not.
    if is_safe(&received.method) && !websocket::is_wanted(headers) {
        return Ok(());
    }
    judge(plan, headers, || called(proxies, received))
}

/// RFC 9110 §9.2.1.
const fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

fn judge<'r>(
    plan: &CsrfPlan,
    headers: &HeaderMap,
    called: impl FnOnce() -> Called<'r>,
) -> Result<(), CrossSite> {
    let (site, origin) = (one(headers, &SEC_FETCH_SITE)?, one(headers, &ORIGIN)?);
    match site {
        // `none`: the user themselves, by a bookmark or the address bar.
        Some("same-origin" | "none") => return Ok(()),
        Some(_) => {
            let allowed = origin.is_some_and(|origin| plan.allows(origin));
            return if allowed { Ok(()) } else { Err(CrossSite::Site) };
        }
        None => {}
    }
    let referer =
        || one(headers, &REFERER).map(|page| page.map(|page| origin_of(page).unwrap_or_default()));
    let page = match origin {
        Some(origin) => Some(origin),
        None => referer()?,
    };
    match page {
        None if plan.require_origin => Err(CrossSite::NoPage),
        None => Ok(()),
        Some(page) if plan.allows(page) || is_own(page, &called()) => Ok(()),
        Some(_) => Err(CrossSite::Page),
    }
}

/// The only field of a name; an error where there are several, or where it is no text.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, CrossSite> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| CrossSite::Unclear),
        _ => Err(CrossSite::Unclear),
    }
}

/// The origin of a URL like `https://shop.example:8443/cart`; `None`: it has none.
fn origin_of(page: &str) -> Option<&str> {
    let (scheme, rest) = page.split_once("://")?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    // Browsers send no user information; where there is some, the host is not where it seems.
    if authority.is_empty() || authority.contains('@') {
        return None;
    }
    page.get(..scheme.len().checked_add("://".len())?.checked_add(authority.len())?)
}

/// Whether the page is of the host that is called. What came under TLS is of no page that did not; the
/// other way round, TLS may have ended before the gateway.
fn is_own(origin: &str, called: &Called<'_>) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let port = match scheme {
        "https" => ":443",
        "http" if called.scheme == "http" => ":80",
        _ => return false,
    };
    let host = called.authority.strip_suffix(port).unwrap_or(&called.authority);
    authority.strip_suffix(port).unwrap_or(authority).eq_ignore_ascii_case(host)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use plan::{Plan, encode, key, read_document};

    use super::*;

    /// The check of an API with this `csrf`.
    fn csrf(written: &str) -> std::sync::Arc<CsrfPlan> {
        let text = format!(
            "{{apiVersion: turnpike/v1, kind: Api, metadata: {{name: a, version: '1'}}, spec: \
             {{context: /a, lifecycle: PUBLISHED, access: {{csrf: {{{written}}}}}, \
             endpoints: {{production: {{urls: ['http://127.0.0.1:1']}}}}}}}}"
        );
        let (resources, problems) = read_document(&text, "a.yaml");
        assert!(problems.is_empty(), "{problems:#?}");
        let all: Vec<_> = resources.iter().map(|one| (key(one).unwrap(), encode(one))).collect();
        let (plan, rejected) = Plan::empty().replaced(&all);
        assert!(rejected.is_empty(), "{rejected:#?}");
        let access = plan.api("a:1").unwrap().operations()[0].access.clone();
        std::sync::Arc::clone(&access.unwrap().csrf[0])
    }

    /// `fields` are like `site=cross-site origin=null`; `called` is like `https://api.example`.
    #[track_caller]
    fn check(written: &str, called: &str, fields: &str, expected: Result<(), CrossSite>) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields.split_whitespace().filter_map(|field| field.split_once('=')) {
            let name = match name {
                "site" => SEC_FETCH_SITE,
                other => HeaderName::try_from(other).unwrap(),
            };
            headers.append(name, HeaderValue::try_from(value).unwrap());
        }
        let (scheme, authority) = called.split_once("://").unwrap();
        let scheme = if scheme == "https" { "https" } else { "http" };
        let called = || Called { scheme, authority: authority.into() };
        assert_eq!(
            judge(&csrf(written), &headers, called),
            expected,
            "{called:?} {fields}",
            called = called()
        );
    }

    const HTTPS: &str = "https://api.example";
    const SITE: Result<(), CrossSite> = Err(CrossSite::Site);
    const PAGE: Result<(), CrossSite> = Err(CrossSite::Page);
    const SHOP: &str = "allowedOrigins: ['https://shop.example', 'https://*.apps.example']";

    #[test]
    fn what_the_browser_says_of_the_site_decides() {
        check("", HTTPS, "site=same-origin", Ok(()));
        check("", HTTPS, "site=none", Ok(()));
        check("", HTTPS, "site=same-site origin=https://other.api.example", SITE);
        check("", HTTPS, "site=cross-site", SITE);
        // A page cannot write this field, so that what is not known is not of the same origin.
        check("", HTTPS, "site=Same-Origin", SITE);
        check("", HTTPS, "site=cross-site origin=https://api.example", SITE);
        check(SHOP, HTTPS, "site=cross-site origin=https://shop.example", Ok(()));
        check(SHOP, HTTPS, "site=same-site origin=https://a.apps.example", Ok(()));
        check(SHOP, HTTPS, "site=cross-site origin=https://apps.example", SITE);
        check(SHOP, HTTPS, "site=cross-site origin=null", SITE);
        check(SHOP, HTTPS, "site=cross-site referer=https://shop.example/", SITE);
    }

    #[test]
    fn without_it_the_page_has_to_be_of_the_host_that_is_called() {
        check("", HTTPS, "origin=https://api.example", Ok(()));
        check("", "https://API.example:443", "origin=https://api.example", Ok(()));
        check("", "https://api.example:8243", "origin=https://api.example:8243", Ok(()));
        check("", "https://api.example:8243", "origin=https://api.example", PAGE);
        check("", HTTPS, "origin=http://api.example", PAGE);
        check("", "http://api.example", "origin=http://api.example", Ok(()));
        check("", "http://api.example", "origin=https://api.example", Ok(()));
        for other in
            ["https://evil.example", "https://api.example.evil.example", "null", "api.example"]
        {
            check("", HTTPS, &format!("origin={other}"), PAGE);
        }
        check(SHOP, HTTPS, "origin=https://shop.example", Ok(()));
    }

    #[test]
    fn without_an_origin_the_referer_counts() {
        check("", HTTPS, "referer=https://api.example/cart?x", Ok(()));
        check("", HTTPS, "referer=https://api.example@evil.example/", PAGE);
        check("", HTTPS, "referer=https://evil.example/api.example", PAGE);
        check("", HTTPS, "referer=about:blank", PAGE);
        check(SHOP, HTTPS, "referer=https://shop.example/", Ok(()));
        // The origin is what counts where there are both.
        check("", HTTPS, "origin=https://evil.example referer=https://api.example/", PAGE);
    }

    #[test]
    fn programs_say_nothing_and_may_call_unless_a_page_is_required() {
        check("", HTTPS, "", Ok(()));
        check("requireOrigin: true", HTTPS, "", Err(CrossSite::NoPage));
        check("requireOrigin: true", HTTPS, "origin=https://api.example", Ok(()));
        check("requireOrigin: true", HTTPS, "site=same-origin", Ok(()));
    }

    #[test]
    fn what_is_said_twice_is_not_believed() {
        let twice =
            ["site=none site=none", "origin=https://api.example origin=https://api.example"];
        for fields in twice {
            check("", HTTPS, fields, Err(CrossSite::Unclear));
        }
    }

    #[test]
    fn only_methods_that_change_nothing_are_not_checked() {
        let safe = |method: &str| is_safe(&Method::try_from(method).unwrap());
        assert!(["GET", "HEAD", "OPTIONS", "TRACE"].into_iter().all(safe));
        assert!(!["POST", "PUT", "PATCH", "DELETE", "QUERY", "get"].into_iter().any(safe));
    }
}
