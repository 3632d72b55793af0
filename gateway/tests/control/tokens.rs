//! Does a token request reach the key manager as it came, and fail fast while nobody is there?

use std::net::SocketAddr;
use std::time::Duration;

use chassis::{Host, Shutdown};
use gateway::rpc::token_endpoint::{Handle, Unavailable};
use tonic::{Request, Response, Status};
use tracing::Span;
use turnpike_proto::identity::v1::token_endpoint_server::{self, TokenEndpointServer};
use turnpike_proto::identity::v1::{ForwardRequest, ForwardResponse, HeaderField};

use crate::ground::{Ground, Peer, ended};

/// Answers with what it was asked.
struct Echo;

#[tonic::async_trait]
impl token_endpoint_server::TokenEndpoint for Echo {
    async fn forward(
        &self,
        request: Request<ForwardRequest>,
    ) -> Result<Response<ForwardResponse>, Status> {
        let ForwardRequest { headers, body, .. } = request.into_inner();
        Ok(Response::new(ForwardResponse { status: 418, headers, body }))
    }
}

async fn key_manager(ground: &Ground, port: u16) -> Peer {
    let shutdown = Shutdown::new(chassis::Readiness::default());
    ground.serve("key-manager", port, TokenEndpointServer::new(Echo), shutdown).await
}

fn gateway(ground: &Ground, address: SocketAddr) -> (Handle, Host) {
    let host = ground.host("gateway");
    let channel = ground.channel("key-manager", address);
    (Handle::start(channel, host.clock.clone(), &host.tasks), host)
}

fn request() -> ForwardRequest {
    ForwardRequest {
        method: "POST".to_owned(),
        target: "/oauth2/token?a=%20".to_owned(),
        headers: vec![HeaderField { name: "x-odd".to_owned(), value: b"\xff".to_vec() }],
        body: b"grant_type=client_credentials".to_vec(),
        ..ForwardRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_answers_pass_unchanged() {
    let ground = Ground::new();
    let peer = key_manager(&ground, 0).await;
    let (handle, host) = gateway(&ground, peer.address);
    let answer = handle.forward(request(), Span::none()).await.expect("an answer");
    assert_eq!(answer.status, 418);
    assert_eq!((answer.headers, answer.body), (request().headers, request().body));
    drop(handle);
    ended(&host).await;
    peer.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_fail_fast_while_the_key_manager_is_away_and_work_when_it_is_back() {
    let ground = Ground::new();
    let peer = key_manager(&ground, 0).await;
    let address = peer.address;
    let (handle, host) = gateway(&ground, address);
    handle.forward(request(), Span::none()).await.expect("an answer");
    peer.ends().await;
    let begun = host.clock.instant();
    for _ in 0..100 {
        let refused = handle.forward(request(), Span::none()).await.expect_err("nobody is there");
        assert!(matches!(refused, Unavailable::Away | Unavailable::Failed(_)), "{refused}");
    }
    let took = host.clock.instant().duration_since(begun);
    assert!(took < Duration::from_secs(2), "took {took:?}");

    let again = key_manager(&ground, address.port()).await;
    let clock = host.clock.clone();
    let back = async {
        while handle.forward(request(), Span::none()).await.is_err() {
            clock.sleep(Duration::from_millis(20)).await;
        }
    };
    clock.timeout(Duration::from_secs(5), back).await.expect("it is tried again soon");
    drop(handle);
    ended(&host).await;
    again.ends().await;
}

#[tokio::test]
async fn a_gateway_without_a_key_manager_says_so() {
    let refused = Handle::off().forward(request(), Span::none()).await.expect_err("there is none");
    assert!(matches!(refused, Unavailable::Off));
}
