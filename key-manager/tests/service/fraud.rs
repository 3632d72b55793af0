//! Is what looks like theft or guessing noticed, once, and does the collector hear of it? (KM-141)

use std::net::IpAddr;
use std::path::Path;
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

/// An MMDB file of IPv4 networks of eight bits with a latitude and longitude each.
fn places(path: &Path, networks: &[(u8, f64, f64)]) {
    fn text(out: &mut Vec<u8>, text: &str) {
        out.push(0x40 | u8::try_from(text.len()).expect("a short text"));
        out.extend(text.as_bytes());
    }
    fn number(out: &mut Vec<u8>, name: &str, kind: &[u8], bytes: &[u8]) {
        text(out, name);
        out.extend(kind);
        out.extend(bytes);
    }
    let mut data = Vec::new();
    let mut nodes = vec![[0_usize; 2]];
    let mut leaves = Vec::new();
    for (network, latitude, longitude) in networks {
        let mut node = 0;
        for bit in (0..8).rev() {
            let side = usize::from(network >> bit & 1);
            if bit == 0 {
                leaves.push((node, side, data.len()));
            } else {
                if nodes[node][side] == 0 {
                    nodes.push([0; 2]);
                    nodes[node][side] = nodes.len() - 1;
                }
                node = nodes[node][side];
            }
        }
        data.push(0xe1);
        text(&mut data, "location");
        data.push(0xe2);
        number(&mut data, "latitude", &[0x68], &latitude.to_be_bytes());
        number(&mut data, "longitude", &[0x68], &longitude.to_be_bytes());
    }
    let count = nodes.len();
    let mut file = Vec::new();
    for (node, sides) in nodes.iter().enumerate() {
        for (side, next) in sides.iter().enumerate() {
            let leaf = leaves.iter().find(|leaf| (leaf.0, leaf.1) == (node, side));
            let record = match (leaf, *next) {
                (Some(leaf), _) => count + 16 + leaf.2,
                (None, 0) => count,
                (None, next) => next,
            };
            file.extend(&u32::try_from(record).expect("a small file").to_be_bytes()[1..]);
        }
    }
    file.extend([0; 16]);
    file.extend(data);
    file.extend(b"\xab\xcd\xefMaxMind.com\xe9");
    let count = u32::try_from(count).expect("a small file");
    number(&mut file, "node_count", &[0xc4], &count.to_be_bytes());
    number(&mut file, "record_size", &[0xa2], &24_u16.to_be_bytes());
    number(&mut file, "ip_version", &[0xa2], &4_u16.to_be_bytes());
    text(&mut file, "database_type");
    text(&mut file, "Test-City");
    number(&mut file, "languages", &[0, 4], &[]);
    number(&mut file, "binary_format_major_version", &[0xa2], &2_u16.to_be_bytes());
    number(&mut file, "binary_format_minor_version", &[0xa2], &0_u16.to_be_bytes());
    number(&mut file, "build_epoch", &[8, 2], &1_u64.to_be_bytes());
    number(&mut file, "description", &[0xe0], &[]);
    std::fs::write(path, file).expect("written");
}

#[tokio::test]
async fn a_person_in_two_places_at_once_is_told() {
    let scratch = Scratch::sqlite();
    let file = scratch.folder.path().join("places.mmdb");
    places(&file, &[(20, 47.4, 8.5), (30, 40.7, -74.0)]);
    let config = rules(|config| config.fraud.places.clone_from(&file));
    let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, config).await;
    let mut signals = stand.authority.fraud.signals().expect("signals");
    stand.person().await;
    let app = stand.app().await;
    let log_in = async |address: &str| {
        let mut browser = Browser::new(&stand);
        let page = browser.authorize(&wish(&app, &[("prompt", "login")])).await;
        let mark = crate::browser::sealed(&page);
        let pairs = [("request", &*mark), ("name", "ann"), ("password", crate::browser::PASSWORD)];
        let mut request = post("/oauth2/login", &crate::browser::encode(&pairs));
        request.peer.address = Some(from(address));
        browser.send(request).await;
    };
    log_in("20.0.0.1").await;
    stand.pass(600);
    log_in("20.9.9.9").await;
    log_in("192.0.2.1").await;
    assert_eq!(noticed(&mut signals), Vec::<String>::new());
    log_in("30.0.0.1").await;
    assert_eq!(noticed(&mut signals), ["ImpossibleTravel address=30.0.0.1"]);
    stand.pass(8 * 3600);
    log_in("20.0.0.1").await;
    assert_eq!(noticed(&mut signals), Vec::<String>::new());

    let tokens = stand.tokens(&app).await;
    let mut token = text(&tokens, "refresh_token");
    let mut told = Vec::new();
    for address in ["20.0.0.1", "20.0.0.2", "30.0.0.1"] {
        stand.pass(60);
        let mut request = refresh_of(&app, &token, "");
        request.peer.address = Some(from(address));
        token = text(&json(&stand.ask(&request).await), "refresh_token");
        told.extend(noticed(&mut signals));
    }
    assert_eq!(told, ["ImpossibleTravel address=30.0.0.1"]);
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
