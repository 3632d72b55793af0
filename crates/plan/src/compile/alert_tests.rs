//! What does admission say to rules of alerts, and to channels?

use std::fmt::Write as _;

use crate::fixtures::{admitted, lines, resources};
use crate::{Kind, Objects, ResourceKey, admit, slice};

/// What admission says to lines of the short form, with the Secret `key` beside them.
fn said(short: &str) -> String {
    let said = admit(&Objects::new(), &resources(&format!("secret key x\n{short}")), &[]);
    said.map_or_else(|problems| lines(&problems), |_| "ok".to_owned())
}

#[track_caller]
fn check(short: &str, expected: &str) {
    let said = said(short);
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_rule_says_of_one_type_what_is_an_alert() {
    check(
        "rule a + type: AbnormalResponseTime
         rule b + type: AbnormalErrorRate, apis: [orders, users], mode: fixed, threshold: 0.02
         rule c + type: AbnormalErrorRate, apis: [shop], enabled: false
         rule d + type: AbnormalErrorRate, sensitivity: 2, learning: 50, suppression: 0s, severity: severe
         rule e + type: BotDetection, block: {for: 3600s, what: address}
         rule g + type: KeySharing, applications: [shop]
         rule h + type: KeySharing, applications: [shop], apis: [orders], mode: fixed
         rule i + type: KeySharing, apis: [orders], block: {for: 60s, what: user, mode: propose}",
        "ok",
    );
}

#[test]
fn a_rule_that_could_not_be_is_refused() {
    insta::assert_snapshot!(said(
        "rule a + type: AbnormalErrorRate, mode: fixed, threshold: 2, sensitivity: 0, suppression: 90000s
         rule b + type: KeySharing, apis: ['orders:1', users, users], sensitivity: -0.5
         rule c + type: BotDetection, block: {for: 0s, what: user}
         rule d + type: ApiHealthMonitor, block: {what: application}
         rule e + type: AbnormalRefresh, block: {for: 2592001s}
         rule f + type: ApiHealthMonitor, applications: [shop]
         rule g + type: KeySharing, applications: ['a b', shop, shop]"
    ), @"
AlertRule/a: spec.suppression: it is not from 0s to 86400s
AlertRule/a: spec.sensitivity: it is not above 0; write a number above 0
AlertRule/a: spec.threshold: it is a share, and is more than 1; write a number above 0 and at most 1
AlertRule/b: spec.apis[0]: `orders:1` names no API; write its name, without a version
AlertRule/b: spec.apis[2]: it stands twice; keep one of them
AlertRule/b: spec.sensitivity: it is not above 0; write a number above 0
AlertRule/c: spec.block.for: it is not from 1s to 2592000s
AlertRule/c: spec.block.what: an alert BotDetection names no user; write `address`
AlertRule/d: spec.block.for: it is missing; say for how long, like `3600s`
AlertRule/d: spec.block.what: an alert ApiHealthMonitor names no application; an alert ApiHealthMonitor names nobody: leave `block` out
AlertRule/e: spec.block.for: it is not from 1s to 2592000s
AlertRule/e: spec.block.what: it is missing; write `user` or `client`
AlertRule/f: spec.applications: an alert ApiHealthMonitor names no application; leave it out, or name `apis`
AlertRule/g: spec.applications[0]: `a b` names no application; write its name
AlertRule/g: spec.applications[2]: it stands twice; keep one of them
");
}

#[test]
fn two_rules_about_the_same_are_refused() {
    insta::assert_snapshot!(said(
        "rule a + type: KeySharing
         rule b + type: KeySharing, enabled: false
         rule c + type: BotDetection, apis: [orders, users]
         rule d + type: BotDetection, apis: [users]
         rule e + type: KeySharing, applications: [shop]
         rule f + type: KeySharing, applications: [mart, shop]
         rule g + type: KeySharing, applications: [shop], apis: [orders, users]
         rule h + type: KeySharing, applications: [shop], apis: [users]"
    ), @"
AlertRule/a: spec.type: the rule of KeySharing for all APIs is taken by AlertRule/b; choose another one
AlertRule/b: spec.type: the rule of KeySharing for all APIs is taken by AlertRule/a; choose another one
AlertRule/c: spec.apis[1]: the rule of BotDetection for the API users is taken by AlertRule/d; choose another one
AlertRule/d: spec.apis[0]: the rule of BotDetection for the API users is taken by AlertRule/c; choose another one
AlertRule/e: spec.applications[0]: the rule of KeySharing for the application shop is taken by AlertRule/f; choose another one
AlertRule/f: spec.applications[1]: the rule of KeySharing for the application shop is taken by AlertRule/e; choose another one
AlertRule/g: spec.applications[0]: the rule of KeySharing for shop at the API users is taken by AlertRule/h; choose another one
AlertRule/h: spec.applications[0]: the rule of KeySharing for shop at the API users is taken by AlertRule/g; choose another one
");
}

#[test]
fn a_channel_says_where_what_is_sent() {
    check(
        "channel a + webhook: {url: 'https://hooks.example/x?y=z', secret: key}
         channel b + webhook: {url: 'http://127.0.0.1:1/', secret: key}, quiet: '22:00-06:00', gather: 0s
         channel c + email: {to: [ops.team+x@example.com]}, severity: moderate, types: [KeySharing], apis: [orders]",
        "ok",
    );
}

#[test]
fn a_channel_on_which_nothing_could_be_sent_is_refused() {
    insta::assert_snapshot!(said(
        "channel a + webhook: {url: 'http://hooks.example/'}, quiet: '22-6', gather: 601s
         channel b + email: {}
         channel c + email: {to: ['a b@example.com', 'ann@', 'Ann <ann@example.com>', a..b@example.com]}
         channel d + webhook: {url: 'https://hooks.example/', secret: none}
         channel e + apis: ['*']"
    ), @"
NotificationChannel/a: spec.gather: it is not from 0s to 600s
NotificationChannel/a: spec.quiet: `22-6` is no span of the day; write it like `22:00-06:00`, in UTC
NotificationChannel/a: spec.webhook.url: `http://hooks.example/` is no https URL; write an https URL; http is for programs on this machine
NotificationChannel/a: spec.webhook.secret: the name of a Secret is missing; name the Secret under which messages are signed
NotificationChannel/b: spec.email.to: there are 0 addresses; write 1 to 20
NotificationChannel/c: spec.email.to[0]: `a b@example.com` is no mail address; write it like `name@example.com`
NotificationChannel/c: spec.email.to[1]: `ann@` is no mail address; write it like `name@example.com`
NotificationChannel/c: spec.email.to[2]: `Ann <ann@example.com>` is no mail address; write it like `name@example.com`
NotificationChannel/c: spec.email.to[3]: `a..b@example.com` is no mail address; write it like `name@example.com`
NotificationChannel/e: spec.apis[0]: `*` names no API; write its name, without a version
NotificationChannel/e: spec: it does not say where alerts are sent; write `webhook` or `email`
NotificationChannel/d: spec.webhook.secret: there is no Secret `none`
");
}

#[test]
fn there_are_only_so_many() {
    let mut short = String::new();
    for n in 0..=super::MOST_CHANNELS {
        let _ = writeln!(short, "channel c{n} + email: {{to: [ops@example.com]}}");
    }
    check(&short, "there are 50 already, and there may be no more");
}

#[test]
fn a_secret_that_a_channel_names_stays_and_goes_to_no_gateway() {
    let objects = admitted(
        "secret key x
         channel a + webhook: {url: 'https://hooks.example/', secret: key}
         rule b + type: KeySharing",
    );
    let key = ResourceKey::of_id(Kind::Secret, "key");
    let refused = admit(&objects, &[], &[key]).map_err(|problems| lines(&problems));
    assert!(refused.is_err_and(|said| said.contains("NotificationChannel/a")));
    assert_eq!(slice(&objects, &std::collections::BTreeMap::new()).iter().count(), 0);
}
