//! Which of an endpoint's servers answers, and what if one does not?

use std::time::Duration;

use gateway::receiver::Settings;

use crate::servers::{Does, Server, servers, shares};
use crate::stand::{Answer, Stand};

/// An API on `servers`, with these further lines of its endpoint. `A`, `B`, … stand for the
/// addresses of the servers; they are all used, unless the lines name `urls` or `servers`.
fn api(servers: &[Server], endpoint: &str) -> String {
    let listed = endpoint.contains("urls:") || endpoint.contains("servers:");
    let urls: Vec<String> =
        servers.iter().map(|server| format!("\"http://{}\"", server.address)).collect();
    let urls = if listed { String::new() } else { format!("urls: [{}], ", urls.join(", ")) };
    let mut endpoint = format!("{urls}{endpoint}");
    for server in servers {
        let name = server.letter.to_uppercase().to_string();
        endpoint = endpoint.replace(&format!("<{name}>"), &format!("http://{}", server.address));
    }
    format!(
        "{{apiVersion: turnpike/v1, kind: Api, metadata: {{name: many, version: \"1\"}}, spec: {{\
         context: /many, lifecycle: PUBLISHED, security: {{schemes: [none]}}, \
         endpoints: {{production: {{{endpoint}}}}}}}}}"
    )
}

struct Many {
    stand: Stand,
    servers: Vec<Server>,
}

impl Many {
    async fn start(count: usize, endpoint: &str) -> Self {
        Self::with(count, endpoint, |_| {}).await
    }

    async fn with(count: usize, endpoint: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let servers = servers(count).await;
        let stand = Stand::with(&api(&servers, endpoint), change).await;
        Self { stand, servers }
    }

    async fn call(&self, line: &str, fields: &str, body: &str) -> Answer {
        self.stand.call(line, fields, body).await
    }

    /// The first letters of the answers to `calls` calls; a digit is the first one of a status that
    /// is no success.
    async fn met(&self, calls: usize, fields: &str) -> String {
        let mut met = String::new();
        for _ in 0..calls {
            let answer = self.call("GET /many/1/x", fields, "").await;
            let shown = if answer.status == 200 { answer.body } else { answer.status.to_string() };
            met.extend(shown.chars().next());
        }
        met
    }

    fn all(&self, does: &Does) {
        self.servers.iter().for_each(|server| server.does(does.clone()));
    }
}

/// Makes calls to three servers under `endpoint` and compares whom they met.
async fn check(endpoint: &str, fields: &str, expected: &str) {
    let many = Many::start(3, endpoint).await;
    assert_eq!(many.met(expected.len(), fields).await, expected, "{endpoint}");
}

#[tokio::test]
async fn servers_take_turns_by_their_weights() {
    check("", "", "abcabc").await;
    let weights = "servers: [{url: \"<A>\", weight: 3}, {url: \"<B>\"}, {url: \"<C>\", weight: 2}]";
    check(weights, "", "acabca").await;
}

#[tokio::test]
async fn failover_uses_the_first_until_it_fails() {
    let many = Many::start(2, "balance: failover, ejection: {failures: 2, base: 60s}").await;
    assert_eq!(many.met(3, "").await, "aaa");
    many.servers[0].does(Does::Fails(500));
    assert_eq!(many.met(4, "").await, "55bb");
}

#[tokio::test]
async fn equal_calls_meet_one_server() {
    let hash = "balance: ring_hash, hashOn: {header: x-user}";
    let many = Many::start(3, hash).await;
    let mut met = String::new();
    for user in 0..30 {
        let mine = many.met(3, &format!("x-user: {user}\r\n")).await;
        assert!(["aaa", "bbb", "ccc"].contains(&mine.as_str()), "{mine}");
        met.push_str(&mine);
    }
    assert_eq!(shares(&met).len(), 3, "{met}");
}

#[tokio::test]
async fn a_client_stays_at_its_server_and_learns_no_address() {
    let many = Many::start(3, "sticky: {ttl: 60s}, ejection: {failures: 1, base: 60s}").await;
    let first = many.call("GET /many/1/x", "", "").await;
    let cookie = first.field("set-cookie").unwrap().to_owned();
    assert!(!cookie.contains("127.0.0.1"), "{cookie}");
    assert!(cookie.ends_with("; path=/many; httponly; samesite=lax; max-age=60"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    let field = format!("cookie: other=1; {pair}\r\n");
    assert_eq!(many.met(4, &field).await, "aaaa");
    let again = many.call("GET /many/1/x", &field, "").await;
    assert_eq!(again.field("set-cookie"), None, "it is told once");
    // A server that is out is left, and the next one becomes the client's.
    many.servers[0].does(Does::HangsUp);
    let moved = many.call("GET /many/1/x", &field, "").await;
    assert_ne!(moved.field("set-cookie").unwrap().split(';').next(), Some(pair));
    assert_eq!(many.call("GET /many/1/x", "cookie: turnpike_server=99\r\n", "").await.status, 200);
}

#[tokio::test]
async fn a_server_that_fails_is_left_alone() {
    let many = Many::start(2, "retries: {off: true}, ejection: {failures: 3, base: 60s}").await;
    many.servers[1].does(Does::Fails(503));
    assert_eq!(many.met(10, "").await, "a5a5a5aaaa");
    // But never all of them.
    many.servers[0].does(Does::Fails(503));
    many.met(10, "").await;
    assert_eq!(many.servers[0].calls(), 20 - 3);
}

#[tokio::test]
async fn a_server_that_recovers_is_used_again() {
    let ejection = "ejection: {failures: 1, base: 0.1s, max: 0.2s}, retries: {off: true}";
    let many = Many::start(2, ejection).await;
    many.servers[0].does(Does::Fails(500));
    many.met(4, "").await;
    many.servers[0].does(Does::Well);
    let recovered = async { while shares(&many.met(4, "").await).get(&'a') != Some(&2) {} };
    let waited = tokio::time::timeout(Duration::from_secs(10), recovered).await;
    assert!(waited.is_ok(), "it never gets its share again");
}

#[tokio::test]
async fn a_call_that_reached_nobody_is_made_elsewhere_whatever_its_method() {
    let many = Many::start(1, "urls: [\"http://127.0.0.1:1\", \"<A>\"]").await;
    for _ in 0..6 {
        let answer = many.call("POST /many/1/x", "", "hello").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ahello"));
    }
}

#[tokio::test]
async fn a_call_with_a_body_is_tried_again_whole() {
    let many = Many::start(2, "balance: failover").await;
    many.servers[0].does(Does::HangsUp);
    let answer = many.call("PUT /many/1/x", "", "hello").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "bhello"));
    let chunked = "transfer-encoding: chunked\r\n";
    let mut client = many.stand.client().await;
    client
        .say(&format!(
            "PUT /many/1/x HTTP/1.1\r\nhost: a\r\n{chunked}\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
        ))
        .await;
    let answer = client.hear().await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.starts_with('b') && answer.body.contains("hel"), "{answer:?}");
}

#[tokio::test]
async fn a_body_that_is_longer_than_what_is_kept_is_sent_once() {
    let many = Many::start(2, "balance: failover, retries: {maxBodyBytes: 4}").await;
    many.servers[0].does(Does::HangsUp);
    assert_eq!(many.call("PUT /many/1/x", "", "hello").await.fault(), "502 101505");
    assert_eq!(many.call("PUT /many/1/x", "", "hell").await.body, "bhell");
}

#[tokio::test]
async fn what_may_have_been_done_is_not_done_twice() {
    let many = Many::start(2, "balance: failover").await;
    many.servers[0].does(Does::HangsUp);
    assert_eq!(many.call("POST /many/1/x", "", "once").await.fault(), "502 101505");
    assert_eq!(many.servers[1].calls(), 0);
    let many = Many::start(2, "balance: failover, retries: {anyMethod: true}").await;
    many.servers[0].does(Does::HangsUp);
    assert_eq!(many.call("POST /many/1/x", "", "twice").await.body, "btwice");
}

#[tokio::test]
async fn a_status_is_tried_again_where_the_endpoint_says_so() {
    let many = Many::start(2, "balance: failover").await;
    many.servers[0].does(Does::Fails(503));
    assert_eq!(many.met(2, "").await, "55");
    let many = Many::start(2, "balance: failover, retries: {statuses: [502, 503]}").await;
    many.servers[0].does(Does::Fails(503));
    assert_eq!(many.met(1, "").await, "b");
    many.all(&Does::Fails(503));
    let answer = many.call("GET /many/1/x", "", "").await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "b"), "the last answer is told");
}

#[tokio::test]
async fn a_server_that_asks_for_too_long_a_pause_is_not_waited_for() {
    let retries = "retries: {statuses: [503], maxRetryAfter: 0.5s}, balance: failover";
    let many = Many::start(2, retries).await;
    many.servers[0].does(Does::Says(503, "retry-after: 60\r\n"));
    let answer = many.call("GET /many/1/x", "", "").await;
    assert_eq!((answer.status, answer.field("retry-after")), (503, Some("60")));
    many.servers[0].does(Does::Says(503, "retry-after: 0\r\n"));
    assert_eq!(many.call("GET /many/1/x", "", "").await.body, "b");
}

#[tokio::test]
async fn further_tries_end_with_their_number_and_their_budget() {
    let many = Many::start(1, "retries: {attempts: 3, statuses: [500], backoff: 0.001s}").await;
    many.servers[0].does(Does::Fails(500));
    many.call("GET /many/1/x", "", "").await;
    assert_eq!(many.servers[0].calls(), 4, "one and three more");
    many.met(100, "").await;
    let asked = many.servers[0].calls();
    // Ten to begin with, and 20 of 100 calls.
    assert!((100..=100 + 10 + 21).contains(&asked), "{asked}");
    assert!(many.stand.number("gateway_backend_retry_budget_empty_total") > 0);
}

#[tokio::test]
async fn an_endpoint_that_fails_is_suspended_and_probed() {
    let breaker =
        "breaker: {minCalls: 4, percent: 50, open: 0.2s, probes: 1}, retries: {off: true}";
    let many = Many::start(1, breaker).await;
    many.servers[0].does(Does::Fails(500));
    many.met(4, "").await;
    many.servers[0].calls();
    let answer = many.call("GET /many/1/x", "", "").await;
    assert_eq!((answer.fault(), answer.field("retry-after")), ("503 303001".into(), Some("1")));
    assert_eq!(many.servers[0].calls(), 0, "nothing reaches it");
    many.servers[0].does(Does::Well);
    let closed = async { while many.met(2, "").await != "aa" {} };
    assert!(tokio::time::timeout(Duration::from_secs(10), closed).await.is_ok());
}

#[tokio::test]
async fn an_endpoint_that_is_full_says_so_at_once() {
    let many = Many::start(1, "bulkhead: {maxRequests: 1}, timeout: 5s").await;
    many.servers[0].does(Does::Never);
    let mut slow = many.stand.client().await;
    slow.say("GET /many/1/x HTTP/1.1\r\nhost: a\r\n\r\n").await;
    many.stand.until("gateway_backend_dialled_total", 1).await;
    assert_eq!(many.call("GET /many/1/x", "", "").await.fault(), "503 303000");
    drop(slow);
    many.stand.until("gateway_connections", 0).await;
    many.servers[0].does(Does::Well);
    assert_eq!(many.met(1, "").await, "a", "who leaves gives the place back");
}

#[tokio::test]
async fn one_backend_does_not_take_all_connections() {
    let narrow = |settings: &mut Settings| settings.sender.max_per_server = 2;
    let many = Many::with(1, "timeout: 5s", narrow).await;
    many.servers[0].does(Does::Never);
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let mut client = many.stand.client().await;
        client.say("GET /many/1/x HTTP/1.1\r\nhost: a\r\n\r\n").await;
        waiting.push(client);
    }
    many.stand.until("gateway_backend_dialled_total", 2).await;
    assert_eq!(many.call("GET /many/1/x", "", "").await.fault(), "503 303000");
    assert_eq!(many.servers[0].connections(), 2);
}

#[tokio::test]
async fn each_time_limit_ends_a_call_with_its_own_code() {
    let (_listener, full) = full();
    let dead = format!("urls: [\"http://{full}\"], connectTimeout: 0.1s");
    for (endpoint, fault) in [
        ("tryTimeout: 0.1s, retries: {off: true}", "504 101504"),
        ("totalTimeout: 0.3s, retries: {attempts: 10}", "504 101504"),
        (&dead, "504 101508"),
    ] {
        let many = Many::start(1, endpoint).await;
        many.all(&Does::Never);
        let began = many.stand.host.clock.instant();
        assert_eq!(many.call("GET /many/1/x", "", "").await.fault(), fault, "{endpoint}");
        let took = many.stand.host.clock.instant() - began;
        assert!(took < Duration::from_secs(2), "{endpoint}: {took:?}");
    }
}

/// A server that takes no connection any more, and refuses none: its queue is full.
fn full() -> (Vec<socket2::Socket>, std::net::SocketAddr) {
    use socket2::{Domain, Socket, Type};
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    listener.bind(&any.into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut sockets = vec![listener];
    for _ in 0..8 {
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        // It is under way, and stays so.
        let _ = client.connect(&address);
        sockets.push(client);
    }
    (sockets, address.as_socket().unwrap())
}

#[tokio::test]
async fn a_try_that_takes_too_long_is_made_elsewhere() {
    let many = Many::start(2, "balance: failover, tryTimeout: 0.1s, timeout: 5s").await;
    many.servers[0].does(Does::Never);
    assert_eq!(many.met(1, "").await, "b");
    many.servers[0].does(Does::Later(Duration::from_millis(20)));
    assert_eq!(many.met(1, "").await, "a");
}

#[tokio::test]
async fn a_health_check_takes_a_server_out_without_a_call_and_brings_it_back() {
    let check = "healthCheck: {path: /health, interval: 0.1s, unhealthy: 2, healthy: 1}, \
                 balance: failover, retries: {off: true}, ejection: {off: true}";
    let many = Many::start(2, check).await;
    assert_eq!(many.met(1, "").await, "a");
    many.servers[0].does(Does::Fails(404));
    let out = async { while many.met(1, "").await != "b" {} };
    assert!(tokio::time::timeout(Duration::from_secs(10), out).await.is_ok());
    many.servers[0].does(Does::Well);
    let back = async { while many.met(1, "").await != "a" {} };
    assert!(tokio::time::timeout(Duration::from_secs(10), back).await.is_ok());
}

#[tokio::test]
async fn what_is_known_about_servers_outlives_other_changes() {
    let endpoint = "retries: {off: true}, ejection: {failures: 2, base: 60s}";
    let many = Many::start(2, endpoint).await;
    many.servers[1].does(Does::Fails(500));
    many.met(6, "").await;
    let republished =
        api(&many.servers, endpoint).replace("security:", "description: new, security:");
    many.stand.publish(&republished);
    assert_eq!(many.met(4, "").await, "aaaa");
    // Another endpoint is another one.
    many.stand.publish(&api(&many.servers, &endpoint.replace("60s", "61s")));
    assert!(many.met(4, "").await.contains('5'));
}

#[tokio::test]
async fn servers_that_are_known_by_name_are_found() {
    let servers = servers(1).await;
    let port = servers[0].address.port();
    let named = format!("urls: [\"http://localhost:{port}\"], resolveEvery: 1s");
    let stand = Stand::start(&api(&servers, &named)).await;
    let many = Many { stand, servers };
    assert_eq!(many.met(3, "").await, "aaa");
}

#[tokio::test]
async fn a_websocket_endpoint_is_not_suspended_for_a_handshake_that_fails() {
    let servers = servers(1).await;
    let resources = api(&servers, "timeout: 5s").replace("security:", "type: WS, security:");
    let many = Many { stand: Stand::start(&resources).await, servers };
    let fields = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                  sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    many.servers[0].does(Does::Fails(404));
    for _ in 0..50 {
        assert_eq!(many.call("GET /many/1/wrong", fields, "").await.status, 404);
    }
    assert_eq!(many.servers[0].calls(), 50, "every one of them was asked for");
}

#[tokio::test]
async fn a_sick_endpoint_leaves_its_neighbours_alone() {
    let (sick, well) = (Server::start('s').await, Server::start('w').await);
    sick.does(Does::Never);
    let bulkhead = "bulkhead: {maxRequests: 8}, timeout: 5s";
    let first = api(&[sick], bulkhead);
    let second = api(&[well], "").replace("name: many", "name: well").replace("/many", "/well");
    let stand = Stand::start(&format!("{first}\n---\n{second}")).await;
    let mut waiting = Vec::new();
    for _ in 0..8 {
        let mut client = stand.client().await;
        client.say("GET /many/1/x HTTP/1.1\r\nhost: a\r\n\r\n").await;
        waiting.push(client);
    }
    stand.until("gateway_backend_dialled_total", 8).await;
    for _ in 0..50 {
        assert_eq!(stand.call("GET /many/1/x", "", "").await.fault(), "503 303000");
        assert_eq!(stand.call("GET /well/1/x", "", "").await.body, "w");
    }
    // One more connection for the neighbour, and none for what was refused.
    assert_eq!(stand.number("gateway_backend_dialled_total"), 9);
}

#[tokio::test]
async fn an_answer_is_not_given_up_for_a_server_that_is_out() {
    let endpoint = "urls: [\"http://127.0.0.1:1\", \"<A>\"], retries: {statuses: [500]}, \
                    ejection: {failures: 1, base: 60s}";
    let many = Many::start(1, endpoint).await;
    assert_eq!(many.met(2, "").await, "aa", "the dead one is found out");
    many.servers[0].does(Does::Fails(500));
    many.servers[0].calls();
    let answer = many.call("GET /many/1/x", "", "").await;
    assert_eq!((answer.status, many.servers[0].calls()), (500, 2), "{answer:?}");
}
