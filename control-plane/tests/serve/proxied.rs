//! Whose tries are counted where a proxy stands in front?

use tonic::{Code, Request};
use turnpike_proto::admin::v1::WhoAmIRequest;
use turnpike_proto::admin::v1::people_client::PeopleClient;

use crate::people::with;
use crate::rest::curl_as;
use crate::stack::{Plane, Stack, check, tier};

const TRIES: usize = 20;
const TRUSTED: &str = "[people]\ntrusted_proxies = [\"127.0.0.0/8\"]\n";

/// What a wrong token is answered over REST, by a client that a proxy names so.
async fn rest(plane: &Plane, said: &str) -> u16 {
    let arguments = ["-H", said, "/api/v1/whoami"];
    curl_as(plane, Some("wrong"), &arguments).await.0
}

/// The same over gRPC.
async fn grpc(stack: &Stack, plane: &Plane, said: &'static str) -> Code {
    let (name, value) = said.split_once(": ").unwrap();
    let mut request = Request::new(WhoAmIRequest {});
    request.metadata_mut().insert(name, value.parse().unwrap());
    let asked = PeopleClient::new(with(stack, plane, "wrong")).who_am_i(request).await;
    asked.unwrap_err().code()
}

#[test]
fn a_trusted_proxy_says_whose_tries_they_are() {
    check(async |stack| {
        let plane = stack.start_with("control-plane", TRUSTED).await;
        stack.apply(&plane, &tier("Gold", 1)).await;
        let (one, other) = ("x-forwarded-for: 192.0.2.1", "x-forwarded-for: 192.0.2.2");
        for _ in 1..TRIES {
            assert_eq!(grpc(&stack, &plane, one).await, Code::Unauthenticated);
        }
        // The client adds what it likes in front, and the proxy whom it has seen behind.
        let invented = "x-forwarded-for: 198.51.100.9, 192.0.2.1";
        assert_eq!(rest(&plane, invented).await, 429);
        assert_eq!(grpc(&stack, &plane, one).await, Code::ResourceExhausted);
        assert_eq!(rest(&plane, other).await, 401);
        assert_eq!(grpc(&stack, &plane, other).await, Code::Unauthenticated);
        // Said where nobody looks, it is the proxy's own.
        assert_eq!(rest(&plane, "forwarded: for=192.0.2.1").await, 401);
        let admin = std::fs::read_to_string(plane.host.data.join("admin.token")).unwrap();
        let (status, audit) = loop {
            let asked = curl_as(&plane, Some(admin.trim()), &["/api/v1/audit"]).await;
            if asked.1.contains("192.0.2.2") {
                break asked;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        };
        assert!(status == 200 && audit.contains("\"192.0.2.1\""), "{audit}");
        assert!(!audit.contains("198.51.100.9"), "{audit}");
    });
}

#[test]
fn what_anybody_else_says_counts_for_nothing() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("Gold", 1)).await;
        for n in 1..TRIES {
            assert_eq!(rest(&plane, &format!("x-forwarded-for: 192.0.2.{n}")).await, 401);
        }
        assert_eq!(rest(&plane, "x-forwarded-for: 198.51.100.1").await, 429);
        let said = "x-forwarded-for: 198.51.100.2";
        assert_eq!(grpc(&stack, &plane, said).await, Code::ResourceExhausted);
    });
}

#[test]
fn what_is_no_network_is_refused_at_the_start() {
    check(async |stack| {
        let wrong = TRUSTED.replace("127.0.0.0/8", "10.0.0.0");
        let refusal = stack.refusal("control-plane", &wrong).await;
        assert!(format!("{refusal:#}").contains("`10.0.0.0` is not a network"), "{refusal:#}");
        assert!(control_plane::bootstrap::is_refusal(&refusal));
    });
}
