//! Is what looks like theft or guessing noticed, once, and does the collector hear of it? (KM-141)

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chassis::rpc::{Allow, Services};
use chassis::{Clock, Host};
use key_manager::config::Config;
use key_manager::fraud::Signals;
use tonic::{Request, Response, Status};
use turnpike_proto::usage::v1::signals_server::{Signals as Report, SignalsServer};
use turnpike_proto::usage::v1::{ReportSignalsRequest, ReportSignalsResponse};

use crate::browser::{Browser, exchange_of, refresh_of, wish};
use crate::databases::{Scratch, each};
use crate::stand::{BEGIN, Dressed, Stand, config, json, post, said, text};

fn rules(change: impl Fn(&mut Config)) -> Config {
    let mut config = config();
    change(&mut config);
    config
}

/// What was noticed since the last look: "kind name=value …" without what is different each time.
fn noticed(signals: &mut Signals) -> Vec<String> {
    let mut told = Vec::new();
    while let Ok(signal) = signals.queue.try_recv() {
        assert!(!signal.id.is_empty() && signal.id.len() <= 64);
        let fixed = ["address", "network", "count"];
        let evidence = signal.evidence.iter().filter(|(name, _)| fixed.contains(name));
        let evidence: Vec<_> = evidence.map(|(name, value)| format!(" {name}={value}")).collect();
        told.push(format!("{}{}", signal.kind, evidence.concat()));
    }
    told
}

fn from(address: &str) -> IpAddr {
    address.parse().expect("an address")
}

#[tokio::test]
async fn what_is_used_again_is_told_with_where_it_came_from() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let mut signals = stand.authority.fraud.signals().expect("signals");
        stand.person().await;
        let app = stand.app().await;
        let code = Browser::new(&stand).code(&wish(&app, &[])).await;
        let tokens = json(&stand.exchange(&app, &code, &[]).await);
        let mut thief = exchange_of(&app, &code, &[]);
        thief.peer.address = Some(from("192.0.2.7"));
        assert_eq!(said(&stand.ask(&thief).await), "400 invalid_grant");
        assert_eq!(noticed(&mut signals), ["AuthorizationCodeReuse address=192.0.2.7"]);
        // It has ended already: told once.
        assert_eq!(said(&stand.ask(&thief).await), "400 invalid_grant");
        assert_eq!(noticed(&mut signals), Vec::<String>::new());

        let first = text(&tokens, "refresh_token");
        assert_eq!(said(&stand.refresh(&app, &first, "").await), "400 invalid_grant");
        let tokens = stand.tokens(&app).await;
        let first = text(&tokens, "refresh_token");
        let second = text(&json(&stand.refresh(&app, &first, "").await), "refresh_token");
        stand.refresh(&app, &second, "").await;
        let mut thief = refresh_of(&app, &first, "");
        thief.peer.address = Some(from("2001:db8::9"));
        assert_eq!(said(&stand.ask(&thief).await), "400 invalid_grant");
        assert_eq!(noticed(&mut signals), ["RefreshTokenReuse address=2001:db8::9"]);
    })
    .await;
}

#[tokio::test]
async fn a_client_that_asks_far_more_than_it_uses_to_is_told_once_a_minute() {
    let scratch = Scratch::sqlite();
    let config = rules(|config| config.fraud.burst_floor = 10);
    let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, config).await;
    let mut signals = stand.authority.fraud.signals().expect("signals");
    let client = stand.client(&[]).await;
    for _ in 0..12 {
        stand.token(&client).await;
        stand.token(&client).await;
        stand.pass(60);
    }
    assert_eq!(noticed(&mut signals), Vec::<String>::new());
    for _ in 0..40 {
        stand.token(&client).await;
    }
    assert_eq!(noticed(&mut signals), ["TokenRequestBurst count=11"]);
}

#[tokio::test]
async fn guesses_over_many_names_networks_and_secrets_are_told() {
    let scratch = Scratch::sqlite();
    let config = rules(|config| {
        config.fraud.stuffing = 5;
        config.fraud.guesses = 5;
    });
    let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, config).await;
    let mut signals = stand.authority.fraud.signals().expect("signals");
    stand.person().await;
    let app = stand.app().await;
    let mut browser = Browser::new(&stand);
    let page = browser.authorize(&wish(&app, &[])).await;
    let mut fail = async |name: &str, address: &str| {
        let pairs =
            [("request", &*crate::browser::sealed(&page)), ("name", name), ("password", "x")];
        let mut request = post("/oauth2/login", &crate::browser::encode(&pairs));
        request.peer.address = Some(from(address));
        browser.send(request).await;
    };
    // One person who mistypes is nothing to look at.
    for _ in 0..6 {
        fail("ann", "192.0.2.1").await;
    }
    assert_eq!(noticed(&mut signals), Vec::<String>::new());
    for name in ["b", "c", "d", "e", "f"] {
        fail(name, "192.0.2.1").await;
    }
    assert_eq!(noticed(&mut signals), ["CredentialStuffing network=192.0.2.1"]);
    for host in 10..15 {
        fail("ann", &format!("192.0.2.{host}")).await;
    }
    assert_eq!(noticed(&mut signals), ["CredentialStuffing address=192.0.2.13"]);

    let client = stand.client(&[]).await;
    let guess = async |address: &str| {
        let request = post("/oauth2/token", "grant_type=client_credentials");
        let mut request = request.basic(client.client.id.as_str(), "guess");
        request.peer.address = Some(from(address));
        assert_eq!(said(&stand.ask(&request).await), "401 invalid_client");
    };
    for _ in 0..4 {
        guess("198.51.100.1").await;
    }
    assert_eq!(noticed(&mut signals), Vec::<String>::new());
    guess("198.51.100.2").await;
    assert_eq!(noticed(&mut signals), ["ClientSecretGuessing address=198.51.100.2"]);
    guess("198.51.100.1").await;
    assert_eq!(noticed(&mut signals), ["ClientSecretGuessing network=198.51.100.1"]);
}

#[tokio::test]
async fn beyond_the_queue_signals_are_dropped_and_counted() {
    let scratch = Scratch::sqlite();
    let config = rules(|config| config.fraud.guesses = 1);
    let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, config).await;
    let signals = stand.authority.fraud.signals().expect("signals");
    for number in 0..1030 {
        let address = from(&format!("10.1.{}.{}", number / 250, number % 250));
        stand.authority.fraud.client_failed("", Some(address));
    }
    assert_eq!(signals.dropped.load(std::sync::atomic::Ordering::Relaxed), 6);
}

/// A collector that is away at first.
#[derive(Debug, Default)]
struct Collector {
    away: Mutex<u32>,
    heard: Mutex<Vec<ReportSignalsRequest>>,
}

/// What answers in its name.
#[derive(Debug)]
struct Desk(Arc<Collector>);

#[tonic::async_trait]
impl Report for Desk {
    async fn report(
        &self,
        request: Request<ReportSignalsRequest>,
    ) -> Result<Response<ReportSignalsResponse>, Status> {
        let mut away = self.0.away.lock().expect("a lock");
        if *away > 0 {
            *away -= 1;
            return Err(Status::unavailable("away"));
        }
        self.0.heard.lock().expect("a lock").push(request.into_inner());
        Ok(Response::new(ReportSignalsResponse {}))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_was_away_hears_what_was_noticed_meanwhile() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let signals = stand.authority.fraud.signals().expect("signals");
    let collector = Arc::new(Collector { away: Mutex::new(2), heard: Mutex::default() });
    let folder = scratch.folder.path();
    let there = Host::development("analytics-collector", folder).expect("a host");
    let services = Services::new(turnpike_proto::DESCRIPTORS)
        .add(Allow::only(&["key-manager"]), SignalsServer::new(Desk(Arc::clone(&collector))));
    let rpc =
        chassis::rpc::Config { listen: "127.0.0.1:0".parse().expect("an address"), ..config().rpc };
    let address = chassis::rpc::serve(&there, &rpc, services).await.expect("a port");
    let here = Host::development("key-manager", folder).expect("a host");
    let address = format!("https://{address}");
    let channel = chassis::rpc::channel(&here.tls, &address, "analytics-collector");
    let channel = Some(channel.expect("a channel"));
    let clock = Clock::system();
    let shutdown = here.shutdown.clone();
    let delivery = key_manager::rpc::deliver(signals, channel, clock.clone(), shutdown);
    here.tasks.spawn("deliver", delivery);

    stand.person().await;
    let app = stand.app().await;
    let code = Browser::new(&stand).code(&wish(&app, &[])).await;
    stand.exchange(&app, &code, &[]).await;
    stand.exchange(&app, &code, &[]).await;
    let heard = async {
        while collector.heard.lock().expect("a lock").is_empty() {
            clock.sleep(Duration::from_millis(20)).await;
        }
    };
    clock.timeout(Duration::from_secs(20), heard).await.expect("the collector hears");
    let request = collector.heard.lock().expect("a lock").remove(0);
    let signal = &request.signals[0];
    assert_eq!(signal.r#type, "AuthorizationCodeReuse");
    assert_eq!(signal.evidence["client"], app.client.id.as_str());
    assert!(!format!("{request:?}").contains(&code));
    here.shutdown.request();
    there.shutdown.request();
}
