//! A gateway of the test's own: holds objects, answers transactions, and tells what it was sent.

use std::collections::BTreeMap;

use chassis::pki::{Identity, Signature};
use plan::{Digests, Object, Objects, ResourceKey, Statement};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};
use turnpike_proto::config::v1 as wire;
use turnpike_proto::config::v1::config_sync_client::ConfigSyncClient;
use turnpike_proto::config::v1::sync_request::Message;
use turnpike_proto::config::v1::sync_response::Message as Answer;
use turnpike_proto::config::v1::{
    Applied, Hello, Rejected, Report, StateSignature, SyncRequest, SyncResponse, Transaction,
};

use crate::stack::{Plane, Stack};

/// What a gateway holds over its connections.
#[derive(Clone, Default)]
pub(crate) struct Held {
    pub(crate) objects: Objects,
    pub(crate) epoch: String,
    pub(crate) revision: u64,
}

pub(crate) struct Gateway {
    pub(crate) held: Held,
    identity: Identity,
    labels: BTreeMap<String, String>,
    /// By whose certificate the last state was vouched for.
    pub(crate) vouched_by: Vec<u8>,
    out: Sender<SyncRequest>,
    incoming: Streaming<SyncResponse>,
}

/// What came.
#[derive(Debug)]
pub(crate) enum Sent {
    Current,
    Full(Transaction, usize),
    Delta(Transaction, usize),
}

impl Sent {
    /// "full +2", "delta +1 -1", "current".
    pub(crate) fn told(&self) -> String {
        let counts = |name, transaction: &Transaction| match transaction.deletes.len() {
            0 if !transaction.buckets.is_empty() => {
                format!("repair of {} +{}", transaction.buckets.len(), transaction.upserts.len())
            }
            0 => format!("{name} +{}", transaction.upserts.len()),
            gone => format!("{name} +{} -{gone}", transaction.upserts.len()),
        };
        match self {
            Self::Current => "current".to_owned(),
            Self::Full(transaction, _) => counts("full", transaction),
            Self::Delta(transaction, _) => counts("delta", transaction),
        }
    }
}

impl Gateway {
    pub(crate) async fn connect(stack: &Stack, plane: &Plane, node: &str, held: Held) -> Self {
        Self::connect_with(stack, plane, node, held, BTreeMap::new()).await
    }

    /// One that says so in its `hello`, besides its name and what it holds.
    pub(crate) async fn connect_as(stack: &Stack, plane: &Plane, held: Held, said: Hello) -> Self {
        Self::open(stack, plane, said, held).await.unwrap()
    }

    pub(crate) async fn connect_with(
        stack: &Stack,
        plane: &Plane,
        node: &str,
        held: Held,
        labels: BTreeMap<String, String>,
    ) -> Self {
        let (node, build) = (node.to_owned(), "test".to_owned());
        let said = Hello { node, labels, build, ..Hello::default() };
        Self::open(stack, plane, said, held).await.unwrap()
    }

    /// Says `said` and what it holds; an error is that of the control plane.
    pub(crate) async fn open(
        stack: &Stack,
        plane: &Plane,
        said: Hello,
        held: Held,
    ) -> Result<Self, Status> {
        let channel = stack.channel(plane, "gateway");
        Self::open_on(stack, channel, said, held).await
    }

    /// The same over a channel that others use, too.
    pub(crate) async fn open_on(
        stack: &Stack,
        channel: Channel,
        said: Hello,
        held: Held,
    ) -> Result<Self, Status> {
        let labels = said.labels.clone();
        let hello = Hello {
            epoch: held.epoch.clone(),
            revision: held.revision,
            state_hash: held.objects.hash().to_bytes().to_vec(),
            rejected: Vec::new(),
            ..said
        };
        let mut client = ConfigSyncClient::new(channel);
        loop {
            let (out, requests): (_, Receiver<SyncRequest>) = mpsc::channel(8);
            let hello = SyncRequest { message: Some(Message::Hello(hello.clone())) };
            out.send(hello).await.unwrap();
            match client.sync(ReceiverStream::new(requests)).await {
                Ok(answer) => {
                    let identity = Identity::named(&stack.path().join("pki"), "gateway").unwrap();
                    let (incoming, vouched_by) = (answer.into_inner(), Vec::new());
                    return Ok(Self { held, identity, labels, vouched_by, out, incoming });
                }
                Err(status) if status.message().contains("not loaded") => {}
                Err(status) => return Err(status),
            }
        }
    }

    /// The next whole message; transactions are put into what is held, and not yet answered.
    pub(crate) async fn receive(&mut self) -> Result<Sent, Status> {
        let mut whole: Option<Transaction> = None;
        let mut parts = 0;
        loop {
            let message =
                self.incoming.next().await.ok_or_else(|| Status::cancelled("ended"))??;
            let part = match message.message.unwrap() {
                Answer::Current(current) => {
                    assert_eq!(current.state_hash, self.held.objects.hash().to_bytes());
                    (self.held.epoch, self.held.revision) = (current.epoch, current.revision);
                    self.believe(current.signature);
                    return Ok(Sent::Current);
                }
                Answer::AskDigests(_) => {
                    let buckets = Digests::of(&self.held.objects).to_bytes();
                    let message = Some(Message::Digests(wire::Digests { buckets }));
                    self.out.send(SyncRequest { message }).await.unwrap();
                    continue;
                }
                Answer::Transaction(part) => part,
                Answer::AskReports(_) => continue,
            };
            parts += 1;
            let more = part.more;
            assert_eq!(part.signature.is_none(), more, "the last part is the signed one");
            let signature = part.signature.clone();
            let whole = match &mut whole {
                Some(whole) => {
                    whole.upserts.extend(part.upserts);
                    whole.deletes.extend(part.deletes);
                    whole
                }
                none => none.insert(part),
            };
            if !more {
                let whole = whole.clone();
                self.take(&whole);
                self.believe(signature);
                return Ok(if whole.full {
                    Sent::Full(whole, parts)
                } else {
                    Sent::Delta(whole, parts)
                });
            }
        }
    }

    fn take(&mut self, transaction: &Transaction) {
        if transaction.full {
            self.held.objects = Objects::new();
        }
        let mut keys: Vec<ResourceKey> =
            transaction.deletes.iter().map(|key| ResourceKey::from_wire(key)).collect();
        let held = self.held.objects.iter().map(|object| object.key().clone());
        keys.extend(held.filter(|key| transaction.buckets.contains(&plan::bucket(key).into())));
        let upserts = transaction.upserts.iter().map(|object| {
            Object::from_wire(ResourceKey::from_wire(&object.key), object.resource.clone()).into()
        });
        self.held.objects.apply(upserts, &keys);
        (self.held.epoch, self.held.revision) = (transaction.epoch.clone(), transaction.revision);
        assert_eq!(transaction.state_hash, self.held.objects.hash().to_bytes(), "the state hash");
    }

    /// The control plane has vouched for what is held.
    fn believe(&mut self, signature: Option<StateSignature>) {
        let said = signature.expect("signed");
        let (epoch, revision) = (self.held.epoch.as_str(), self.held.revision);
        let (hash, labels) = (self.held.objects.hash(), &self.labels);
        let statement = Statement { epoch, revision, hash, labels }.to_bytes();
        self.vouched_by = said.chain[0].clone();
        let signature = Signature {
            scheme: said.scheme.try_into().unwrap(),
            bytes: said.signature,
            chain: said.chain.into_iter().map(Into::into).collect(),
            signed_at: said.signed_at,
        };
        let said =
            self.identity.has_said("control-plane", Statement::DOMAIN, &statement, &signature);
        said.unwrap();
    }

    pub(crate) async fn answer(&self) {
        self.answer_with(Vec::new()).await;
    }

    pub(crate) async fn answer_with(&self, rejected: Vec<Rejected>) {
        let applied = Applied {
            epoch: self.held.epoch.clone(),
            revision: self.held.revision,
            state_hash: self.held.objects.hash().to_bytes().to_vec(),
            rejected,
            ..Applied::default()
        };
        self.send(applied).await;
    }

    pub(crate) async fn send(&self, applied: Applied) {
        let message = Some(Message::Applied(applied));
        // A stream that ended is noticed by whoever receives.
        let _ = self.out.send(SyncRequest { message }).await;
    }

    pub(crate) async fn report(&self, report: Report) {
        // As above.
        let _ = self.out.send(SyncRequest { message: Some(Message::Report(report)) }).await;
    }

    /// Receives and answers one message, and tells what it was.
    pub(crate) async fn step(&mut self) -> String {
        let sent = self.receive().await.unwrap();
        if !matches!(sent, Sent::Current) {
            self.answer().await;
        }
        sent.told()
    }

    /// Keeps the connection served, for ever.
    pub(crate) async fn serve(mut self) {
        while let Ok(sent) = self.receive().await {
            if !matches!(sent, Sent::Current) {
                self.answer().await;
            }
        }
    }
}
