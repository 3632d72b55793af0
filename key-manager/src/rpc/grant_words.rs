//! What is a grant handler asked, and what does its answer say?
//!
//! An answer is read strictly: one that leaves out what is required, or is not in its form, is none.

use std::collections::BTreeMap;
use std::net::IpAddr;

use prost_types::Timestamp;
use serde_json::{Map, Value};
use turnpike_proto::identity::v1 as proto;
use turnpike_proto::identity::v1::approve::Subject as ProtoSubject;
use turnpike_proto::identity::v1::grant_decision::Decision as ProtoDecision;

use crate::domain::{Client, Confirmation};

/// The longest name of what is good once, in bytes.
const LONGEST_ONCE: usize = 256;
/// The longest handle of an attempt, in bytes.
const LONGEST_HANDLE: usize = 1024;
/// How long what is good once may have to be remembered.
const LONGEST_MEMORY_SECONDS: i64 = 366 * 24 * 3600;
/// The longest that somebody may take to answer.
const LONGEST_WAIT_SECONDS: u32 = 3600;
/// The pause between two questions unless the handler says otherwise, and the longest.
const PAUSE_SECONDS: (u32, u32) = (5, 60);

/// A token request.
#[derive(Clone, Debug)]
pub struct Question<'q> {
    pub grant_type: &'q str,
    pub client: &'q Client,
    /// Those that the handler declared.
    pub parameters: BTreeMap<String, String>,
    pub scopes: Vec<String>,
    pub audience: Vec<String>,
    pub address: Option<IpAddr>,
    pub agent: &'q str,
    pub confirmation: &'q Confirmation,
    /// Unix seconds.
    pub now: i64,
    /// What the handler called the attempt; empty: it is the first.
    pub handle: String,
}

/// What a handler says.
#[derive(Clone, Debug)]
pub enum Decision {
    Approve(Box<Word>),
    Deny(Denial),
    Pending(Wait),
}

/// For whom a token may be, and how much it may hold at most.
#[derive(Clone, Debug)]
pub struct Word {
    pub subject: Subject,
    /// `None`: no less than without it; likewise below.
    pub scopes: Option<Vec<String>>,
    pub audience: Option<Vec<String>>,
    pub seconds: Option<u32>,
    pub refresh: bool,
    pub claims: Map<String, Value>,
    /// When the person showed who they are, Unix seconds.
    pub at: i64,
    pub consented: bool,
    pub once: Option<Single>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    Id(String),
    Name(String),
    Client,
}

/// Something that is good once.
#[derive(Clone, Debug)]
pub struct Single {
    pub name: String,
    /// Unix seconds.
    pub until: i64,
}

#[derive(Clone, Debug)]
pub struct Denial {
    pub error: String,
    pub description: String,
    /// Whether it counts as a failed login.
    pub guessed: bool,
    /// For whom; empty: not known.
    pub name: String,
}

/// Somebody has to answer first.
#[derive(Clone, Debug)]
pub struct Wait {
    pub handle: String,
    pub pause_seconds: i64,
    pub seconds: i64,
}

impl Question<'_> {
    pub(super) fn to_proto(&self, issuer: &str) -> proto::GrantRequest {
        let given = |text: &Option<String>| text.clone().unwrap_or_default();
        let address = self.address.map(|address| address.to_canonical().to_string());
        let client = self.client;
        proto::GrantRequest {
            request_id: chassis::random::token(12),
            issuer: issuer.to_owned(),
            grant_type: self.grant_type.to_owned(),
            client: Some(proto::GrantClient {
                client_id: client.id.to_string(),
                name: client.name.clone(),
                public: client.is_public(),
                first_party: client.first_party,
                scopes: client.scopes.iter().map(str::to_owned).collect(),
            }),
            parameters: self.parameters.clone(),
            requested_scopes: self.scopes.clone(),
            requested_audience: self.audience.clone(),
            peer: Some(proto::GrantPeer {
                address: address.unwrap_or_default(),
                user_agent: self.agent.to_owned(),
                confirmation_key: given(&self.confirmation.key),
                confirmation_certificate: given(&self.confirmation.certificate),
            }),
            now: Some(Timestamp { seconds: self.now, nanos: 0 }),
            handle: self.handle.clone(),
        }
    }
}

impl Decision {
    /// `Err` says what is wrong with the answer.
    pub(super) fn read(said: proto::GrantDecision, now: i64) -> Result<Self, &'static str> {
        match said.decision.ok_or("it decides nothing")? {
            ProtoDecision::Approve(approve) => Ok(Self::Approve(Box::new(word(approve, now)?))),
            ProtoDecision::Deny(deny) => Ok(Self::Deny(Denial {
                error: deny.error,
                description: deny.description,
                guessed: deny.count_as_auth_failure,
                name: deny.lockout_subject,
            })),
            ProtoDecision::Pending(pending) => wait(pending).map(Self::Pending),
        }
    }
}

fn word(said: proto::Approve, now: i64) -> Result<Word, &'static str> {
    let subject = match said.subject.ok_or("it names nobody")? {
        ProtoSubject::UserId(id) => Subject::Id(id),
        ProtoSubject::UserName(name) => Subject::Name(name),
        ProtoSubject::Client(_) => Subject::Client,
    };
    let audience = said.max_audience.map(|bound| bound.audiences);
    if audience.as_ref().is_some_and(Vec::is_empty) {
        return Err("max_audience is for nobody");
    }
    let claims = match said.claims.as_str() {
        "" => Map::new(),
        text => serde_json::from_str(text).map_err(|_| "claims is no JSON object")?,
    };
    let at = said.authenticated_at.map_or(now, |at| at.seconds);
    if at > now {
        return Err("authenticated_at has not come yet");
    }
    Ok(Word {
        subject,
        scopes: said.max_scope.map(|bound| bound.scopes),
        audience,
        seconds: Some(said.max_access_seconds).filter(|seconds| *seconds > 0),
        refresh: said.refresh,
        claims,
        at,
        consented: said.consent_already_given,
        once: said.single_use.map(|single| once(single, now)).transpose()?,
    })
}

fn once(said: proto::SingleUse, now: i64) -> Result<Single, &'static str> {
    let until = said.until.map(|until| until.seconds);
    let latest = now.saturating_add(LONGEST_MEMORY_SECONDS);
    let until = until.filter(|until| (now..=latest).contains(until));
    if !(1..=LONGEST_ONCE).contains(&said.name.len()) {
        return Err("single_use.name is empty or too long");
    }
    let until = until.ok_or("single_use.until is missing, over or too far away")?;
    Ok(Single { name: said.name, until })
}

fn wait(said: proto::Pending) -> Result<Wait, &'static str> {
    if !(1..=LONGEST_HANDLE).contains(&said.handle.len()) {
        return Err("pending.handle is empty or too long");
    }
    if !(1..=LONGEST_WAIT_SECONDS).contains(&said.expires_in_seconds) {
        return Err("pending.expires_in_seconds is missing or too long");
    }
    let (usual, longest) = PAUSE_SECONDS;
    let pause = Some(said.interval_seconds).filter(|pause| *pause > 0).unwrap_or(usual);
    Ok(Wait {
        handle: said.handle,
        pause_seconds: i64::from(pause.min(longest)),
        seconds: i64::from(said.expires_in_seconds),
    })
}
