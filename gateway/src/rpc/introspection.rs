//! How does a worker learn what an issuer says of a token?

use std::sync::Arc;

use chassis::clock::Clock;
use chassis::task::Tasks as TaskSet;
use tonic::transport::Channel;
use tonic::{Request, Status};
use turnpike_proto::identity::v1::IntrospectRequest;
use turnpike_proto::identity::v1::introspection_client::IntrospectionClient;

use super::asker::{self, Inquiry, Unanswered, digest_of};

/// What an issuer says of a token.
#[derive(Clone, Debug)]
pub struct Word {
    /// A JSON object; `None`: the token is not good.
    pub claims: Option<Arc<str>>,
    /// Until when it counts, in microseconds since the Unix epoch.
    pub until_us: i64,
}

/// The way to those who know tokens.
pub type Handle = asker::Handle<Tokens>;

/// Questions about tokens.
#[derive(Debug)]
pub struct Tokens {
    channel: Channel,
}

/// What has to be asked.
pub struct Question {
    key_manager: Arc<str>,
    token: String,
    cache_seconds: u32,
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Question").field("key_manager", &self.key_manager).finish_non_exhaustive()
    }
}

impl Handle {
    /// Asks over `channel`, on the runtime that this is called on.
    pub fn start(channel: Channel, clock: Clock, tasks: &TaskSet) -> Self {
        Self::run(Tokens { channel }, clock, tasks)
    }

    /// What the issuer behind `key_manager` says of `token`.
    pub async fn ask(
        &self,
        key_manager: Arc<str>,
        token: String,
        cache_seconds: u32,
    ) -> Result<Word, Unanswered> {
        self.put(Question { key_manager, token, cache_seconds }).await
    }
}

impl Inquiry for Tokens {
    type Question = Question;
    type Word = Word;
    const NAME: &'static str = "introspection";

    fn digest(question: &Question) -> [u8; 32] {
        digest_of([&*question.key_manager, question.token.as_str()])
    }

    fn whom(question: &Question) -> Arc<str> {
        Arc::clone(&question.key_manager)
    }

    fn until_us(&self, word: &Word) -> i64 {
        word.until_us
    }

    async fn ask(&self, question: &Question, asked_us: i64) -> Result<Word, Status> {
        let request = IntrospectRequest {
            token: question.token.clone(),
            key_manager: question.key_manager.to_string(),
        };
        let mut client = IntrospectionClient::new(self.channel.clone());
        let request = chassis::rpc::traced(Request::new(request));
        let said = client.introspect(request).await?.into_inner();
        // By whole seconds, as workers count: what has run out for them is not given again here.
        let asked_at = asked_us.div_euclid(1_000_000);
        let until = asked_at.saturating_add(i64::from(question.cache_seconds));
        Ok(Word {
            claims: said.active.then(|| said.claims.into()),
            until_us: until.saturating_mul(1_000_000),
        })
    }
}
