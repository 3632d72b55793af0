//! Incidents of other control planes, told of this one: each test names the one that it is about.

use control_plane::store::{Etcd, EtcdConfig, Store as _};
use turnpike_proto::admin::v1::ApplyRequest;

use crate::gateway::{Gateway, Held, Sent};
use crate::proxy::Proxy;
use crate::server::{Server, is_installed};
use crate::stack::{Plane, Stack, api, check};

/// What gRPC takes in one message where nobody has said otherwise.
const MESSAGE_BYTES: usize = 4 * 1024 * 1024;

#[track_caller]
fn check_on_etcd(story: impl AsyncFnOnce(Stack, Server)) {
    if is_installed() {
        check(async |stack| story(stack, Server::start()).await);
    }
}

fn section(address: std::net::SocketAddr) -> String {
    format!("[store]\nengine = \"etcd\"\n[etcd]\nendpoints = [\"http://{address}\"]\n")
}

/// How often `plane` has listed all resources.
fn loads(plane: &Plane) -> u64 {
    let text = plane.host.metrics.render().unwrap();
    let line = text.lines().find(|line| line.contains("store_loads_total "));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
}

fn with_definition(name: &str, text: &str) -> String {
    api(name).replace("spec: {", &format!("spec: {{definition: {{text: \"{text}\"}}, "))
}

/// Incident: apisix#13303 and apisix#12167. The history of an idle prefix on a shared etcd is compacted,
/// every node reads everything anew and builds its routers, for no change at all.
#[test]
fn a_history_that_was_compacted_unseen_is_listed_again_and_nothing_is_sent() {
    check_on_etcd(async |stack, server| {
        let proxy = Proxy::start(server.address());
        let one = stack.start_with("one", &section(proxy.address())).await;
        let two = stack.start_with("two", &section(server.address())).await;
        stack.apply(&one, &api("a")).await;
        let mut gateway = Gateway::connect(&stack, &one, "one", Held::default()).await;
        assert_eq!(gateway.step().await, "full +1");
        proxy.freeze(true);
        for number in 0..10 {
            server.ctl(&["put", "/somebody/else", &number.to_string()]);
        }
        compact(&stack, &server).await;
        proxy.freeze(false);
        proxy.cut();
        while loads(&one) < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        // The first thing that comes is the next change.
        stack.apply(&two, &api("b")).await;
        assert_eq!(gateway.step().await, "delta +1");
    });
}

/// Forgets the history up to now.
async fn compact(stack: &Stack, server: &Server) {
    let config = EtcdConfig {
        endpoints: vec![format!("http://{}", server.address())],
        user: String::new(),
        password: chassis::config::Secret::default(),
        ca: String::new(),
        certificate: String::new(),
        key: String::new(),
        prefix: "/turnpike".to_owned(),
    };
    let store = Etcd::new(&config, &stack.path().join("beside.instance")).unwrap();
    let now = store.list("objects/").await.unwrap().position;
    store.compact(now.0).await.unwrap();
}

/// Incident: Envoy AI gateway. About 2,000 routes fill a message of 4 MB, and configuration stops.
#[test]
fn twenty_thousand_routes_arrive_in_messages_of_the_usual_size() {
    check(async |stack| {
        let plane = stack.start().await;
        let long = "segment-of-a-path/".repeat(12);
        let operations = |api: usize| {
            let one = |n: usize| format!("{{method: GET, path: \"/{long}{api}/{n}\"}}");
            (0..200).map(one).collect::<Vec<_>>().join(", ")
        };
        for ten in 0..10 {
            let one = |n: usize| {
                let spec = format!("spec: {{operations: [{}], ", operations(n));
                api(&format!("api{n}")).replace("spec: {", &spec)
            };
            let text: Vec<String> = (ten * 10..ten * 10 + 10).map(one).collect();
            let answer = stack.apply(&plane, &text.join("---\n")).await;
            assert!(answer.problems.is_empty(), "{:?}", answer.problems);
        }
        // The test's gateway takes no larger messages than gRPC does by itself.
        let mut gateway = Gateway::connect(&stack, &plane, "one", Held::default()).await;
        let Sent::Full(whole, parts) = gateway.receive().await.unwrap() else { panic!("not full") };
        gateway.answer().await;
        let bytes = prost::Message::encoded_len(&whole);
        assert!(bytes > MESSAGE_BYTES && parts > 1, "{bytes} bytes in {parts} parts");
        assert_eq!(whole.upserts.len(), 100);
    });
}

/// Incident: Cilium in gateway-api-bench. Configuration stops without a word at the 1.5 MB that etcd takes
/// for a value, and says that it is ready.
#[test]
fn a_definition_of_1_4_megabytes_is_served_and_one_that_cannot_fit_is_refused_with_its_size() {
    check_on_etcd(async |stack, server| {
        let plane = stack.start_with("one", &section(server.address())).await;
        let mut gateway = Gateway::connect(&stack, &plane, "one", Held::default()).await;
        assert_eq!(gateway.step().await, "current");
        let repeated = "openapi and so on ".repeat(1_400_000 / 18);
        let answer = stack.apply(&plane, &with_definition("large", &repeated)).await;
        assert!(answer.problems.is_empty(), "{:?}", answer.problems);
        assert_eq!(gateway.step().await, "full +1");

        // Random, so that no compression makes it fit.
        let random = chassis::random::token(1_450_000);
        let request = ApplyRequest::default();
        let large = with_definition("random", &random);
        let answer = stack.apply_with(&plane, &large, request).await.unwrap();
        // 1,400,000 bytes, less what the history and the audit log take.
        let reason = answer.problems.first().map_or("", |problem| problem.reason.as_str());
        assert!(reason.contains("bytes in the store, which takes 1383616"), "{answer:?}");
        assert_eq!(answer.problems[0].resource, "Api/random:1");
        assert_eq!(gateway.held.objects.len(), 1, "nothing of it was sent");
    });
}
