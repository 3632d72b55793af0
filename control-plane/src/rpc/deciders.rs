//! How are programs of the operator asked that decide about requests?
//!
//! By HTTP with a signed question, or by gRPC with our certificate. An answer that is not understood
//! decides nothing.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use chassis::outbound::{self, Reach, Rules, SIGNATURE, signature};
use chassis::{Host, Secret};
use prost_reflect::DynamicMessage;
use serde::Deserialize;
use tonic::Request;
use turnpike_proto::POOL;
use turnpike_proto::config::v1::workflow_spec::Executor;
use turnpike_proto::config::v1::{GrpcExecutor, HttpExecutor};
use turnpike_proto::workflow::v1::decide_response::Decision;
use turnpike_proto::workflow::v1::decider_client::DeciderClient;
use turnpike_proto::workflow::v1::{DecideRequest, DecideResponse};
use url::Url;

use crate::manage::workflow::{Answer, Decider, DeciderError, Question};

/// How long an answer may take where the Workflow does not say, and at most.
const USUAL: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_mins(1);
/// The longest answer, in bytes.
const LARGEST: usize = 64 * 1024;
/// Whose certificate is asked for where the Workflow does not say.
const USUAL_NAME: &str = "workflow";

/// Section `[workflow]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecidersConfig {
    /// A PEM file with authorities whose servers are believed, beside those of the operating system;
    /// empty: none besides.
    pub authorities: String,
}

/// Programs of the operator.
#[derive(Debug)]
pub struct Deciders {
    host: Host,
    http: outbound::Client,
}

/// Why no program can be asked.
#[derive(Debug, thiserror::Error)]
pub enum DecidersError {
    /// The file of authorities.
    #[error("workflow.authorities cannot be read")]
    Authorities(#[source] std::io::Error),
    /// The client.
    #[error("no program can be asked by HTTP")]
    Client(#[source] outbound::Error),
}

impl Deciders {
    /// Reads the authorities.
    pub fn new(host: &Host, config: &DecidersConfig) -> Result<Self, DecidersError> {
        let authorities = match config.authorities.as_str() {
            "" => Vec::new(),
            path => std::fs::read(Path::new(path)).map_err(DecidersError::Authorities)?,
        };
        let rules = Rules { reach: Reach::Anywhere, limit: LONGEST, largest: LARGEST, at_once: 16 };
        let http = outbound::Client::new(host.clock.clone(), rules, &authorities);
        Ok(Self { host: host.clone(), http: http.map_err(DecidersError::Client)? })
    }

    async fn ask_by_http(
        &self,
        asked: &HttpExecutor,
        secret: &Secret,
        question: &DecideRequest,
    ) -> Result<DecideResponse, DeciderError> {
        let url = Url::parse(&asked.url).map_err(|_| DeciderError::Unaskable("it has no URL"))?;
        let body = json(question)?;
        let request = http::Request::post("/")
            .header("content-type", "application/json")
            .header(SIGNATURE, signature(secret, self.host.clock.unix_seconds(), &body));
        let sent = self.http.send(&url, request, body);
        let answer = self.host.clock.timeout(span(asked.timeout), sent).await;
        let answer = answer.map_err(away)?.map_err(away)?;
        if answer.status() != http::StatusCode::OK {
            return Err(DeciderError::Answer(format!("with status {}", answer.status().as_u16())));
        }
        read(answer.body())
    }

    async fn ask_by_grpc(
        &self,
        asked: &GrpcExecutor,
        question: DecideRequest,
    ) -> Result<DecideResponse, DeciderError> {
        let name = if asked.server_name.is_empty() { USUAL_NAME } else { &asked.server_name };
        let channel = chassis::rpc::channel(&self.host.tls, &asked.address, name).map_err(away)?;
        let mut request = chassis::rpc::traced(Request::new(question));
        request.set_timeout(span(asked.timeout));
        let mut decider = DeciderClient::new(channel).max_decoding_message_size(LARGEST);
        // What waits for a connection is not under the deadline of the call.
        let answer = self.host.clock.timeout(span(asked.timeout), decider.decide(request)).await;
        Ok(answer.map_err(away)?.map_err(away)?.into_inner())
    }
}

#[async_trait::async_trait]
impl Decider for Deciders {
    async fn ask(
        &self,
        executor: &Executor,
        secret: Option<Secret>,
        question: Question,
    ) -> Result<(Answer, String), DeciderError> {
        let question = on_wire(question);
        let answer = match executor {
            Executor::Http(asked) => {
                let secret = secret.ok_or(DeciderError::Unaskable("its secret is missing"))?;
                self.ask_by_http(asked, &secret, &question).await?
            }
            Executor::Grpc(asked) => self.ask_by_grpc(asked, question).await?,
            Executor::Simple(_) | Executor::Approval(_) => {
                return Err(DeciderError::Unaskable("people decide"));
            }
        };
        let decision = match Decision::try_from(answer.decision) {
            Ok(Decision::Later) => Answer::Later,
            Ok(Decision::Approve) => Answer::Approve,
            Ok(Decision::Reject) => Answer::Reject,
            Err(_) => return Err(DeciderError::Answer("with an unknown decision".to_owned())),
        };
        Ok((decision, answer.reason))
    }
}

fn on_wire(question: Question) -> DecideRequest {
    let Question { id, spec, application, api, tier } = question;
    DecideRequest {
        id,
        event: spec.event,
        subject: spec.subject,
        asked_by: spec.asked_by,
        asked_at: spec.asked_at,
        expires_at: spec.expires_at,
        wanted: spec.wanted,
        application,
        api,
        tier,
    }
}

fn json(question: &DecideRequest) -> Result<Bytes, DeciderError> {
    let unaskable = || DeciderError::Unaskable("the question has no JSON form");
    let name = "turnpike.workflow.v1.DecideRequest";
    let descriptor = POOL.get_message_by_name(name).ok_or_else(unaskable)?;
    let mut dynamic = DynamicMessage::new(descriptor);
    dynamic.transcode_from(question).map_err(|_| unaskable())?;
    serde_json::to_vec(&dynamic).map(Bytes::from).map_err(|_| unaskable())
}

fn read(body: &[u8]) -> Result<DecideResponse, DeciderError> {
    let not = |what: &str| DeciderError::Answer(what.to_owned());
    let name = "turnpike.workflow.v1.DecideResponse";
    let descriptor = POOL.get_message_by_name(name).ok_or_else(|| not("nothing"))?;
    let mut text = serde_json::Deserializer::from_slice(body);
    let dynamic = DynamicMessage::deserialize(descriptor, &mut text)
        .map_err(|_| not("with what is no DecideResponse"))?;
    text.end().map_err(|_| not("with what is no DecideResponse"))?;
    dynamic.transcode_to().map_err(|_| not("with what is no DecideResponse"))
}

fn span(timeout: Option<prost_types::Duration>) -> Duration {
    let asked = timeout.and_then(|span| Duration::try_from(span).ok());
    asked.unwrap_or(USUAL).min(LONGEST)
}

fn away(error: impl std::error::Error + Send + Sync + 'static) -> DeciderError {
    DeciderError::Away(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, expected: &str) {
        let said = match read(body.as_bytes()) {
            Ok(answer) => format!("{:?} {}", answer.decision(), answer.reason),
            Err(error) => error.to_string(),
        };
        assert_eq!(said.trim_end(), expected);
    }

    #[test]
    fn only_an_answer_decides() {
        check(r#"{"decision": "approve", "reason": "fine"}"#, "Approve fine");
        check(r#"{"decision": "reject"}"#, "Reject");
        check("{}", "Later");
        let nothing = "it answers with what is no DecideResponse, which decides nothing";
        check("", nothing);
        check("<html>", nothing);
        check(r#"{"decision": "yes"}"#, nothing);
        check(r#"{"decision": "approve"} and more"#, nothing);
        check(r#"{"decison": "approve"}"#, nothing);
    }
}
