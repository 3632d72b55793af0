//! Does a `Workflow` say who is asked, about what?

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use turnpike_proto::config::v1::workflow_spec::Executor;
use turnpike_proto::config::v1::{Workflow, workflow_event};
use url::{Host, Url};

use super::api::unknown;
use super::head::{check_description, required};
use super::range::optional_span;
use crate::problem::{At, Problems, shown};
use crate::resource::is_name;

/// How long something may wait for a decision.
const WAITS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(366 * 24);
/// How long a program may take to answer.
const ANSWERS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_mins(1);

pub(crate) fn compile_workflow(workflow: &Workflow, problems: &mut Problems) {
    let Some(spec) = required(workflow.spec.as_ref(), problems) else { return };
    let root = At::ROOT;
    let at = root.name("spec");
    check_description(&spec.description, &at.name("description"), problems);
    check_events(&spec.events, &at.name("events"), problems);
    optional_span(spec.expires_after.as_ref(), &WAITS, &at.name("expiresAfter"), problems);
    match &spec.executor {
        None => {
            let suggestion = "write `simple`, `approval`, `http` or `grpc`";
            problems.add(&at, "it does not say who decides", suggestion);
        }
        Some(Executor::Simple(_) | Executor::Approval(_)) => {}
        Some(Executor::Http(http)) => {
            let here = at.name("http");
            if !is_askable(&http.url) {
                let reason = format!("`{}` is no https URL", shown(&http.url));
                let suggestion = "write an https URL; http is for programs on this machine";
                problems.add(&here.name("url"), reason, suggestion);
            }
            if !is_name(&http.secret) {
                let suggestion = "name the Secret under which requests are signed";
                problems.add(&here.name("secret"), "the name of a Secret is missing", suggestion);
            }
            optional_span(http.timeout.as_ref(), &ANSWERS, &here.name("timeout"), problems);
        }
        Some(Executor::Grpc(grpc)) => {
            let here = at.name("grpc");
            let whole = Url::parse(&grpc.address).is_ok_and(|url| url.path() == "/");
            if !whole || !grpc.address.starts_with("https://") || !is_askable(&grpc.address) {
                let reason = format!("`{}` is no address", shown(&grpc.address));
                let suggestion = "write it like https://127.0.0.1:7002";
                problems.add(&here.name("address"), reason, suggestion);
            }
            optional_span(grpc.timeout.as_ref(), &ANSWERS, &here.name("timeout"), problems);
        }
    }
}

fn check_events(events: &[i32], at: &At<'_>, problems: &mut Problems) {
    if events.is_empty() {
        problems.add(at, "it is about nothing", "name at least one event");
    }
    let mut seen = BTreeSet::new();
    for (index, event) in events.iter().enumerate() {
        if workflow_event::Event::try_from(*event).is_err() {
            problems.add(&at.index(index), unknown(*event), "");
        } else if !seen.insert(event) {
            problems.add(&at.index(index), "the event stands twice", "keep one of them");
        }
    }
}

/// Whether requests may be sent there: encrypted, or to this machine.
pub(super) fn is_askable(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return false,
    };
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    bare && (url.scheme() == "https" || (url.scheme() == "http" && here))
}

#[cfg(test)]
mod tests {
    use crate::fixtures::{lines, resources};
    use crate::{Objects, admit};

    /// What admission says to workflows.
    fn said(short: &str) -> String {
        let said = admit(&Objects::new(), &resources(&format!("secret key x\n{short}")), &[]);
        said.map_or_else(|problems| lines(&problems), |_| "ok".to_owned())
    }

    #[test]
    fn a_workflow_says_about_what_who_is_asked() {
        assert_eq!(
            said(
                "workflow a + events: [APPLICATION_CREATION], approval: {}, expiresAfter: 60s
                 workflow b + events: [SUBSCRIPTION_CREATION], http: {url: 'http://127.0.0.1:1/x?y=z', secret: key}
                 workflow c + events: [API_STATE, API_PRODUCT_STATE], grpc: {address: 'https://w:7002', timeout: 1s}
                 workflow d + events: [SUBSCRIPTION_UPDATE], simple: {}"
            ),
            "ok"
        );
    }

    #[test]
    fn what_nobody_could_ask_is_refused() {
        insta::assert_snapshot!(said(
            "workflow a + events: []
             workflow b + events: [API_STATE, API_STATE], http: {url: 'http://w/', timeout: 0.001s}, expiresAfter: 0s
             workflow c + events: [API_PRODUCT_STATE], grpc: {address: 'https://w/x'}
             workflow d + events: [API_PRODUCT_STATE], http: {url: 'https://w/', secret: none}"
        ), @"
Workflow/a: spec.events: it is about nothing; name at least one event
Workflow/a: spec: it does not say who decides; write `simple`, `approval`, `http` or `grpc`
Workflow/b: spec.events[1]: the event stands twice; keep one of them
Workflow/b: spec.expiresAfter: it is not from 1s to 31622400s
Workflow/b: spec.http.url: `http://w/` is no https URL; write an https URL; http is for programs on this machine
Workflow/b: spec.http.secret: the name of a Secret is missing; name the Secret under which requests are signed
Workflow/b: spec.http.timeout: it is not from 0.1s to 60s
Workflow/c: spec.grpc.address: `https://w/x` is no address; write it like https://127.0.0.1:7002
Workflow/c: spec.events[0]: the event API_PRODUCT_STATE is taken by Workflow/d; choose another one
Workflow/d: spec.events[0]: the event API_PRODUCT_STATE is taken by Workflow/c; choose another one
Workflow/d: spec.http.secret: there is no Secret `none`
");
    }
}
