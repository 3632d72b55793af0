//! Is what was revoked or blocked still refused after any service was killed, and without the others?

use std::time::Duration;

use harness::eventually;
use harness::resources::api;

use crate::fleet::{BOUND, Call, End, Fleet, said};

const CALL: &str = "/orders/1.0.0/items/7";

/// Each is ended, and then somebody is killed.
const VICTIMS: [&str; 3] = ["gateway-1", "key-manager", "control-plane"];

/// What is told of the calls without another try: those that have ended are refused, and the last one,
/// which nothing has ended, is let in.
async fn check(fleet: &Fleet, ended: &[(Call, End)], good: &Call, when: &str) {
    let mut client = fleet.gateways[0].client();
    for (call, end) in ended {
        let verdict = said(&mut client, call).await;
        assert_eq!(verdict.as_deref(), Some(end.refusal()), "{end:?} {when}");
    }
    assert_eq!(said(&mut client, good).await.as_deref(), Some("200"), "{when}");
}

async fn kill_and_restart(fleet: &mut Fleet, victim: &'static str) {
    if victim == "gateway-1" {
        fleet.gateways[0].kill();
        fleet.gateways[0].restart().await;
    } else {
        fleet.stack.kill(victim);
        fleet.stack.restart(victim).await;
    }
}

/// What is ended, of callers of which each has only this one end.
async fn cases(fleet: &mut Fleet) -> (Vec<(Call, End)>, Call) {
    let mut apps = Vec::new();
    for name in ["good", "token", "client", "whole", "denied", "unsubscribed"] {
        apps.push(fleet.app(name, &["orders", "blocked"]).await);
    }
    fleet.publish().await;
    let [good, token, client, whole, denied, unsubscribed] = apps.try_into().ok().expect("six");
    let (ann, ben) = (fleet.person("ann").await, fleet.person("ben").await);
    let text = |text: &str| vec![text.to_owned()];
    let goods = fleet.token(&good, None).await;
    let revoked = fleet.token(&token, None).await;
    let of = async |app, person| Call::new(CALL, &fleet.token(app, person).await);
    let cases = vec![
        (Call::new(CALL, &revoked), End::Token(revoked)),
        (of(&client, None).await, End::Client(client.client.clone())),
        (of(&good, Some("ann")).await, End::User(ann)),
        (of(&whole, None).await, End::Application(whole.name.clone())),
        (
            Call::new("/blocked/1.0.0/items/7", &goods),
            End::deny(|spec| spec.apis = text("blocked:*")),
        ),
        (of(&denied, None).await, End::deny(|spec| spec.applications = text("denied"))),
        (of(&good, Some("ben")).await, End::deny(|spec| spec.users = vec![ben])),
        (
            Call::new(CALL, &goods).from("192.0.2.7"),
            End::deny(|spec| spec.addresses = text("192.0.2.7")),
        ),
        (
            Call::new(CALL, &goods).from("2001:db8::7"),
            End::deny(|spec| spec.addresses = text("2001:db8::1-2001:db8::ff")),
        ),
        (
            of(&unsubscribed, None).await,
            End::Subscription { application: unsubscribed.name.clone(), api: "orders".to_owned() },
        ),
    ];
    (cases, Call::new(CALL, &goods))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_ended_stays_so_whoever_is_killed() {
    let apis = ["orders", "blocked"].map(|name| api(name, "BACKEND", &["Unlimited"]));
    let mut fleet = Fleet::start(1, &apis.concat()).await;
    let (cases, good) = cases(&mut fleet).await;
    for (call, _) in &cases {
        fleet.becomes(&[0], call, "200").await;
    }
    for (number, (call, end)) in cases.iter().enumerate() {
        fleet.end(&format!("end-{number}"), end).await;
        fleet.becomes(&[0], call, end.refusal()).await;
        let victim = VICTIMS[number % VICTIMS.len()];
        kill_and_restart(&mut fleet, victim).await;
        let ended = &cases[..=number];
        check(&fleet, ended, &good, &format!("after the end of {victim}")).await;
    }
    // Each once more, now that everything has ended.
    for victim in VICTIMS {
        kill_and_restart(&mut fleet, victim).await;
        check(&fleet, &cases, &good, &format!("after the end of {victim}")).await;
    }
    // A gateway that comes up alone knows all of it.
    for away in [&["key-manager"][..], &["control-plane"], &["key-manager", "control-plane"]] {
        for name in away {
            fleet.stack.kill(name);
        }
        kill_and_restart(&mut fleet, "gateway-1").await;
        check(&fleet, &cases, &good, &format!("without {away:?}")).await;
        for name in away {
            fleet.stack.restart(name).await;
        }
        check(&fleet, &cases, &good, &format!("with {away:?} again")).await;
    }
    // What can be lifted is lifted as ever.
    for (number, (call, end)) in cases.iter().enumerate() {
        fleet.lift(&format!("end-{number}"), end).await;
        let now = if matches!(end, End::Deny(_) | End::Subscription { .. }) {
            "200"
        } else {
            end.refusal()
        };
        eventually(&format!("{end:?} is lifted"), 4 * BOUND, async || {
            let said = said(&mut fleet.gateways[0].client(), call).await;
            (said.as_deref() == Some(now)).then_some(())
        })
        .await;
    }
    tokio::time::timeout(Duration::from_secs(1), check(&fleet, &[], &good, "at the end"))
        .await
        .expect("in time");
}
