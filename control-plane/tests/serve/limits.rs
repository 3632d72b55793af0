//! Are limits counted once, whoever asks, whoever counts and however often that one ends?

use std::time::Duration;

use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use turnpike_proto::config::v1::limit_sync_client::LimitSyncClient;
use turnpike_proto::config::v1::shared_limit::Window;
use turnpike_proto::config::v1::{
    LimitAnswer, LimitAsk, LimitAsks, LimitReport, LimitReports, LimitReturn, LimitReturns,
    ShareHello, ShareRequest, ShareResponse, SharedLimit, share_request, share_response,
};

use crate::server::{Server, is_installed};
use crate::stack::{Plane, Stack, check};

/// A gateway that shares limits.
struct Gateway {
    out: Sender<ShareRequest>,
    incoming: Streaming<ShareResponse>,
    asked: u64,
}

impl Gateway {
    async fn try_connect(stack: &Stack, plane: &Plane, node: &str) -> Result<Self, Status> {
        let mut client = LimitSyncClient::new(stack.channel(plane, "gateway"));
        let (out, requests) = channel(16);
        let hello = ShareHello { node: node.to_owned(), ..ShareHello::default() };
        let gateway = |incoming| Self { out: out.clone(), incoming, asked: 0 };
        out.send(said(share_request::Message::Hello(hello))).await.unwrap();
        let incoming = client.share(ReceiverStream::new(requests)).await?.into_inner();
        Ok(gateway(incoming))
    }

    /// Connects as soon as somebody counts.
    async fn connect(stack: &Stack, plane: &Plane, node: &str) -> Self {
        loop {
            match Self::try_connect(stack, plane, node).await {
                Ok(gateway) => return gateway,
                Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn say(&self, message: share_request::Message) {
        self.out.send(said(message)).await.unwrap();
    }

    async fn hear(&mut self) -> share_response::Message {
        self.incoming.message().await.unwrap().expect("a message").message.unwrap()
    }

    async fn ask(&mut self, limit: &SharedLimit, wanted: u64) -> LimitAnswer {
        self.asked += 1;
        let limit = Some(limit.clone());
        let ask = LimitAsk { ask: self.asked, limit, wanted, ..LimitAsk::default() };
        self.say(share_request::Message::Asks(LimitAsks { asks: vec![ask] })).await;
        loop {
            if let share_response::Message::Answers(answers) = self.hear().await {
                let [answer] = &*answers.answers else { panic!("{answers:?}") };
                assert_eq!(answer.ask, self.asked);
                return *answer;
            }
        }
    }

    /// Asks until nothing is left; the answer is how many units that were.
    async fn use_up(&mut self, limit: &SharedLimit) -> u64 {
        let mut units = 0;
        loop {
            match self.ask(limit, 10).await {
                answer if answer.units == 0 => return units,
                answer => units += answer.units,
            }
        }
    }
}

fn said(message: share_request::Message) -> ShareRequest {
    ShareRequest { message: Some(message) }
}

/// So many in the hour.
fn hour(amount: u64) -> SharedLimit {
    SharedLimit {
        counter: vec![7; 16],
        amount,
        window: Window::Fixed.into(),
        per_us: 3_600_000_000,
        ..SharedLimit::default()
    }
}

#[test]
fn units_are_given_away_once_and_those_that_come_back_again() {
    check(async |stack| {
        let plane = stack.start().await;
        let mut one = Gateway::connect(&stack, &plane, "one").await;
        let mut two = Gateway::connect(&stack, &plane, "two").await;
        let mut first = one.ask(&hour(100), 10).await;
        assert!((1..=10).contains(&first.units), "{first:?}");
        assert!(first.ends_us <= 3_600_000_000 && first.left + first.units == 100, "{first:?}");
        let others = two.use_up(&hour(100)).await + one.use_up(&hour(100)).await;
        assert_eq!(first.units + others, 100);
        first = one.ask(&hour(100), 10).await;
        assert!(first.units == 0 && first.again_us > 0 && !first.uncounted, "{first:?}");
        let back = LimitReturn { limit: Some(hour(100)), place: first.place, age_us: 0, units: 3 };
        one.say(share_request::Message::Returns(LimitReturns { returns: vec![back] })).await;
        assert_eq!(one.use_up(&hour(100)).await, 3);
        // What is no limit is not counted.
        assert!(one.ask(&hour(0), 1).await.uncounted);
    });
}

#[test]
fn who_counts_goes_on_where_it_was_after_a_restart() {
    check(async |stack| {
        let plane = stack.start().await;
        let mut one = Gateway::connect(&stack, &plane, "one").await;
        let mut used = 0;
        for _ in 0..6 {
            used += one.ask(&hour(100), 5).await.units;
        }
        plane.stop().await;
        let again = stack.start().await;
        let mut one = Gateway::connect(&stack, &again, "one").await;
        let rest = one.use_up(&hour(100)).await;
        // What is written ahead is lost, and nothing is given twice.
        assert!((90..=100).contains(&(used + rest)), "{used} and {rest}");
    });
}

#[test]
fn parts_of_a_limit_follow_what_gateways_report() {
    check(async |stack| {
        let plane = stack.start().await;
        let mut one = Gateway::connect(&stack, &plane, "one").await;
        let pace = SharedLimit { window: Window::Pace.into(), per_us: 1_000_000, ..hour(1_000) };
        let report = |demand, part| LimitReports {
            report: 1,
            limits: vec![LimitReport { limit: Some(pace.clone()), demand, part, used: 0 }],
        };
        one.say(share_request::Message::Reports(report(10, 500))).await;
        loop {
            if let share_response::Message::Parts(told) = one.hear().await
                && let Some(part) = told.parts.first()
            {
                assert_eq!((told.report, part.part), (1, 1_000));
                break;
            }
        }
    });
}

#[test]
fn nobody_but_gateways_is_let_in_and_nobody_without_a_name() {
    check(async |stack| {
        let plane = stack.start().await;
        drop(Gateway::connect(&stack, &plane, "one").await);
        let refused = Gateway::try_connect(&stack, &plane, "no name").await.err().unwrap();
        assert_eq!(refused.code(), Code::InvalidArgument);
        let mut other = LimitSyncClient::new(stack.channel(&plane, "key-manager"));
        let refused = other.share(tokio_stream::empty()).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
    });
}

#[test]
fn of_control_planes_that_share_a_store_one_counts_and_the_next_goes_on() {
    if !is_installed() {
        return;
    }
    check(async |stack| {
        let server = Server::start();
        let section = format!(
            "[store]\nengine = \"etcd\"\n[etcd]\nendpoints = [\"http://{}\"]\n",
            server.address()
        );
        let first = stack.start_with("one", &section).await;
        let mut one = Gateway::connect(&stack, &first, "one").await;
        let mut used = 0;
        for _ in 0..6 {
            used += one.ask(&hour(100), 5).await.units;
        }
        let second = stack.start_with("two", &section).await;
        let refused = loop {
            let refused = Gateway::try_connect(&stack, &second, "two").await.err().unwrap();
            if refused.message().contains("counted by") {
                break refused;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert_eq!(refused.code(), Code::Unavailable);
        first.stop().await;
        let mut two = Gateway::connect(&stack, &second, "two").await;
        let rest = two.use_up(&hour(100)).await;
        assert!((90..=100).contains(&(used + rest)), "{used} and {rest}");
    });
}
