//! Does the analytics collector learn of each request for tokens, and of no secret?

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chassis::Host;
use chassis::rpc::{Allow, Services};
use futures_util::{Stream, StreamExt as _};
use spool::{Bounds, Origin, Reporting};
use tonic::{Request, Response, Status, Streaming};
use turnpike_proto::usage::v1::collector_server::{self, CollectorServer};
use turnpike_proto::usage::v1::{CollectRequest, CollectResponse, Event};

use crate::databases::Scratch;
use crate::stand::{BEGIN, Dressed as _, Stand, config, json, post, text};

/// The events that came, in their order.
#[derive(Clone, Debug, Default)]
struct Collector(Arc<Mutex<Vec<Event>>>);

#[tonic::async_trait]
impl collector_server::Collector for Collector {
    type CollectStream = Pin<Box<dyn Stream<Item = Result<CollectResponse, Status>> + Send>>;

    async fn collect(
        &self,
        request: Request<Streaming<CollectRequest>>,
    ) -> Result<Response<Self::CollectStream>, Status> {
        let heard = Arc::clone(&self.0);
        let answers = request.into_inner().map(move |batch| {
            let CollectRequest { epoch, sequence, events, .. } = batch?;
            heard.lock().expect("a lock").extend(events);
            Ok(CollectResponse { epoch, sequence })
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

impl Collector {
    /// Listens, and starts what reports to it.
    async fn start(&self, here: &Host, there: &Host) -> Reporting {
        let listen = "127.0.0.1:0".parse().expect("an address");
        let rpc = chassis::rpc::Config { listen, ..config().rpc };
        let services = Services::new(turnpike_proto::DESCRIPTORS)
            .add(Allow::only(&["key-manager"]), CollectorServer::new(self.clone()));
        let address = chassis::rpc::serve(there, &rpc, services).await.expect("a port");
        let to = format!("https://{address}");
        let channel = chassis::rpc::channel(&here.tls, &to, "analytics-collector");
        let collector = spool::Collector::new(channel.expect("a channel"), "key-manager/a".into());
        let origin = Origin { gateway: "key-manager/a".to_owned(), region: "eu-1".to_owned() };
        let (data, bounds) = (here.data.clone(), Bounds::of(1 << 20));
        let started = Reporting::start(&data, true, bounds, origin, collector, here).await;
        started.expect("a spool")
    }
}

/// An event in one line.
fn line(event: &Event, client: &str) -> String {
    let who = if event.consumer_key == client { "app" } else { &event.consumer_key };
    let fault = [event.fault_type.as_str(), event.fault_subtype.as_str()].join(" ");
    let Event { operation, scope, user, status, .. } = event;
    format!("{operation} {who} user={user} scope={scope} {status} {}", fault.trim()).trim().into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_is_told_with_who_asked_for_what_and_how_it_ended() {
    let scratch = Scratch::sqlite();
    let folder = scratch.folder.path();
    let there = Host::development("analytics-collector", folder).expect("a host");
    let here = Host::development("key-manager", folder).expect("a host");
    let collector = Collector::default();
    let reporting = collector.start(&here, &there).await;
    let mut stand = Stand::on(&scratch).await;
    stand.authority.recorder = reporting.recording().recorder();

    let app = stand.client(&["orders:read"]).await;
    let id = app.client.id.as_str();
    let form = "grant_type=client_credentials&scope=orders:read";
    let mut asked =
        post("/oauth2/token", form).basic(id, &app.secret).header("user-agent", "curl/8");
    asked.peer.address = Some("192.0.2.7".parse().expect("an address"));
    let token = text(&json(&stand.ask(&asked).await), "access_token");
    stand.ask(&post("/oauth2/token", form).basic(id, "guessed")).await;
    stand.ask(&post("/oauth2/token", form).basic("nobody", "guessed")).await;
    stand.post("/oauth2/token", &app, "").await;
    stand.post("/oauth2/token", &app, "grant_type=refresh_token&refresh_token=x").await;
    stand.post("/oauth2/token", &app, "grant_type=client_credentials&scope=other").await;
    stand.post("/oauth2/introspect", &app, &format!("token={token}")).await;
    stand.authority.recorder.flush();
    reporting.finish(Duration::from_secs(20)).await;

    let events = collector.0.lock().expect("a lock").clone();
    let told: Vec<String> = events.iter().map(|event| line(event, id)).collect();
    assert_eq!(
        told,
        [
            "client_credentials app user= scope=orders:read 200",
            "client_credentials app user= scope= 401 OAUTH invalid_client",
            "client_credentials nobody user= scope= 401 OAUTH invalid_client",
            "other app user= scope= 400 OAUTH invalid_request",
            "refresh_token app user= scope= 400 OAUTH unauthorized_client",
            "client_credentials app user= scope= 400 OAUTH invalid_scope",
        ]
    );
    let first = &events[0];
    assert_eq!(first.client_ip, [192, 0, 2, 7]);
    assert_eq!((first.user_agent.as_str(), first.method.as_str()), ("curl/8", "POST"));
    assert_eq!((first.api_type.as_str(), first.api.as_str()), ("TOKEN", ""));
    assert_eq!((first.gateway.as_str(), first.region.as_str()), ("key-manager/a", "eu-1"));
    assert_eq!(first.at_us, BEGIN * 1_000_000);
    assert!(events.iter().all(|event| event.request_id.len() == 16));
    let all = format!("{events:?}");
    assert!(!all.contains(&token) && !all.contains("guessed") && !all.contains(&*app.secret));
    here.shutdown.request();
    there.shutdown.request();
}

#[tokio::test]
async fn nobody_waits_for_a_collector_that_does_not_answer() {
    let scratch = Scratch::sqlite();
    let folder = scratch.folder.path();
    let here = Host::development("key-manager", folder).expect("a host");
    let nowhere = chassis::rpc::channel(&here.tls, "https://127.0.0.1:9", "analytics-collector");
    let collector = spool::Collector::new(nowhere.expect("a channel"), "a".into());
    let (origin, bounds) = (Origin::default(), Bounds::of(1 << 20));
    let started = Reporting::start(&here.data, true, bounds, origin, collector, &here).await;
    let reporting = started.expect("a spool");
    let mut stand = Stand::on(&scratch).await;
    stand.authority.recorder = reporting.recording().recorder();
    let app = stand.client(&[]).await;
    for _ in 0..20 {
        assert!(!stand.token(&app).await.is_empty());
    }
    stand.authority.recorder.flush();
    reporting.finish(Duration::ZERO).await;
    // They wait on disk.
    let kept = std::fs::read_dir(folder.join("usage")).expect("a spool");
    let bytes: u64 =
        kept.map(|entry| entry.expect("a file").metadata().expect("a size").len()).sum();
    assert!(bytes > 2000, "{bytes} bytes");
    here.shutdown.request();
}
