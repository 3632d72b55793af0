//! Who is asked before something that is there changes, goes, or gets a client?

use tonic::{Code, Status};
use turnpike_proto::admin::v1::{DeleteRequest, GenerateKeyRequest, GetRequest};
use turnpike_proto::config::v1::{Application, ApplicationSpec};

use crate::approvals::{Desk, SUBSCRIBED, asking};
use crate::rest::curl_as;
use crate::stack::{check, tier};

/// What is asked for.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Tier,
    Unsubscribe,
    RemoveApplication,
}

/// The event, the wish, and what is there meanwhile and when it is refused, and when it is approved.
const ROWS: [(&str, Wish, &str, &str); 3] = [
    ("APPLICATION_UPDATE", Wish::Tier, "application  subscription", "application Big subscription"),
    ("SUBSCRIPTION_DELETION", Wish::Unsubscribe, "application  subscription", "application  -"),
    ("APPLICATION_DELETION", Wish::RemoveApplication, "application  -", "- -"),
];

fn named(name: &str) -> DeleteRequest {
    DeleteRequest { name: name.to_owned(), ..DeleteRequest::default() }
}

impl Desk {
    async fn wish(&mut self, wish: Wish) {
        match wish {
            Wish::Tier => {
                let mut application = self.application().await.unwrap();
                let spec = application.spec.take().unwrap();
                let tier = "Big".to_owned();
                application.spec = Some(ApplicationSpec { tier, ..spec });
                self.applications.put(application).await.unwrap();
            }
            Wish::Unsubscribe => assert_ne!(self.unsubscribe().await, ""),
            Wish::RemoveApplication => {
                // Nobody is asked about the subscription, without which it can go.
                assert_eq!(self.unsubscribe().await, "");
                let removed = self.applications.delete(named("shop")).await.unwrap();
                assert_ne!(removed.into_inner().waiting, "");
            }
        }
    }

    /// The request that waits; empty: it is gone.
    async fn unsubscribe(&mut self) -> String {
        self.subscriptions.delete(named("s")).await.unwrap().into_inner().waiting
    }

    async fn application(&mut self) -> Result<Application, Status> {
        let get = GetRequest { name: "shop".to_owned(), ..GetRequest::default() };
        self.applications.get(get).await.map(tonic::Response::into_inner)
    }

    /// "application TIER subscription", `-` for what is not there.
    async fn there(&mut self) -> String {
        let application = match self.application().await {
            Ok(application) => format!("application {}", application.spec.unwrap().tier),
            Err(_) => "-".to_owned(),
        };
        let get = GetRequest { name: "s".to_owned(), ..GetRequest::default() };
        let subscribed = self.subscriptions.get(get).await.is_ok();
        format!("{application} {}", if subscribed { "subscription" } else { "-" })
    }

    /// Why there is no key.
    async fn key(&mut self, sandbox: bool) -> Status {
        let application = "shop".to_owned();
        let asked = GenerateKeyRequest { application, sandbox, ..GenerateKeyRequest::default() };
        self.keys.generate(asked).await.unwrap_err()
    }
}

#[test]
fn what_is_there_stays_as_it_is_until_somebody_approves() {
    for (event, wish, before, approved) in ROWS {
        for approve in [true, false] {
            check(async |stack| {
                let (plane, mut desk) = asking(&stack, event, "approval: {}", "").await;
                let big = tier("Big", 9).replace("spec: {", "spec: {level: application, ");
                assert_eq!(stack.apply(&plane, &big).await.problems, []);
                desk.subscribe(SUBSCRIBED).await;
                desk.wish(wish).await;
                assert_eq!(desk.there().await, before, "{event}");
                desk.decide(approve).await.unwrap();
                let after = if approve { approved } else { before };
                assert_eq!(desk.there().await, after, "{event}");
                assert_eq!(desk.waiting().await, []);
            });
        }
    }
}

#[test]
fn asking_twice_is_one_request_and_rest_says_that_it_waits() {
    check(async |stack| {
        let (plane, mut desk) = asking(&stack, "SUBSCRIPTION_DELETION", "approval: {}", "").await;
        desk.subscribe(SUBSCRIBED).await;
        let first = desk.unsubscribe().await;
        assert_eq!(desk.unsubscribe().await, first);
        let admin = std::fs::read_to_string(plane.host.data.join("admin.token")).unwrap();
        let delete = ["-X", "DELETE", "/api/v1/subscriptions/s"];
        let (status, body) = curl_as(&plane, Some(admin.trim()), &delete).await;
        assert!(status == 202 && body.contains(&first), "{status} {body}");
        assert_eq!(desk.waiting().await.len(), 1);
    });
}

#[test]
fn what_waits_itself_goes_at_once() {
    check(async |stack| {
        let events = "SUBSCRIPTION_CREATION, SUBSCRIPTION_DELETION";
        let (_plane, mut desk) = asking(&stack, events, "approval: {}", "").await;
        desk.subscribe(SUBSCRIBED).await;
        assert_eq!(desk.unsubscribe().await, "");
        assert_eq!(desk.there().await, "application  -");
    });
}

#[test]
fn a_client_waits_for_its_approval_and_nobody_is_asked_about_others() {
    check(async |stack| {
        let event = "APPLICATION_REGISTRATION_PRODUCTION";
        let (_plane, mut desk) = asking(&stack, event, "approval: {}", "").await;
        // That no key manager is here is found out when a client may be made.
        let made = desk.key(true).await.code();
        assert_eq!((made, desk.waiting().await.len()), (Code::Unavailable, 0));
        for _ in 0..2 {
            let waits = desk.key(false).await;
            assert_eq!(waits.code(), Code::FailedPrecondition);
            assert!(waits.message().contains("waits for a decision"), "{waits:?}");
            assert_eq!(desk.waiting().await.len(), 1);
        }
        desk.decide(false).await.unwrap();
        assert_eq!(desk.key(false).await.code(), Code::FailedPrecondition, "it is asked anew");
        let approved = desk.decide(true).await.unwrap();
        assert_eq!((approved.wanted.as_str(), approved.used), ("resident", false));
        // A try that makes no client uses no approval up.
        for _ in 0..2 {
            assert_eq!(desk.key(false).await.code(), Code::Unavailable);
        }
    });
}
