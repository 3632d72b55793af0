//! How does a worker learn whether a name and a password belong together?

use std::sync::Arc;

use chassis::clock::Clock;
use chassis::task::Tasks;
use tonic::transport::Channel;
use tonic::{Request, Status};
use turnpike_proto::identity::v1::AuthenticateRequest;
use turnpike_proto::identity::v1::credentials_client::CredentialsClient;

use super::asker::{self, Inquiry, Unanswered, digest_of};

/// How long a right password counts, in microseconds.
const COUNTS_US: i64 = 60_000_000;

/// What the key manager says of a name and a password.
#[derive(Clone, Debug)]
pub enum Word {
    /// They belong together.
    Right {
        /// Who that is.
        person: Arc<Person>,
        /// Until when it counts, in microseconds since the Unix epoch.
        until_us: i64,
    },
    /// They do not, or the person may not log in.
    Wrong {
        /// For how long nobody looks at a password there; 0: it was looked at.
        locked_seconds: u32,
    },
}

/// Somebody whose password was right.
#[derive(Clone, Debug)]
pub struct Person {
    /// The issuer whose revocations count.
    pub issuer: Arc<str>,
    /// The `sub` of their tokens.
    pub subject: Arc<str>,
    /// Their name.
    pub name: Arc<str>,
    /// What they are.
    pub roles: Vec<Arc<str>>,
    /// When the password was looked at, in seconds since the Unix epoch.
    pub authenticated_at: i64,
}

/// The way to the key manager.
pub type Handle = asker::Handle<Passwords>;

/// Whether what a person has shown has ended since.
pub type HasEnded = Box<dyn Fn(&Person) -> bool + Send + Sync>;

/// Questions about names and passwords.
pub struct Passwords {
    channel: Channel,
    has_ended: HasEnded,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passwords").field("channel", &self.channel).finish_non_exhaustive()
    }
}

/// What has to be asked.
pub struct Question {
    name: String,
    password: String,
    address: String,
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Question").finish_non_exhaustive()
    }
}

impl Handle {
    /// Asks over `channel`, on the runtime that this is called on. Of whom `has_ended` says so is asked
    /// anew: the password may still be theirs.
    pub fn start(channel: Channel, has_ended: HasEnded, clock: Clock, tasks: &Tasks) -> Self {
        Self::run(Passwords { channel, has_ended }, clock, tasks)
    }

    /// Whether they belong together, for a client with this address.
    pub async fn ask(
        &self,
        name: String,
        password: String,
        address: String,
    ) -> Result<Word, Unanswered> {
        self.put(Question { name, password, address }).await
    }
}

impl Inquiry for Passwords {
    type Question = Question;
    type Word = Word;
    const NAME: &'static str = "passwords";

    fn digest(question: &Question) -> [u8; 32] {
        // The address counts: who guesses from elsewhere is another one to be locked out.
        digest_of([&*question.name, &question.password, &question.address])
    }

    fn whom(_: &Question) -> Arc<str> {
        Arc::from("")
    }

    /// What was wrong is not remembered: each try counts for the lockout.
    fn until_us(&self, word: &Word) -> i64 {
        match word {
            Word::Right { person, until_us } if !(self.has_ended)(person) => *until_us,
            Word::Right { .. } | Word::Wrong { .. } => i64::MIN,
        }
    }

    async fn ask(&self, question: &Question, asked_us: i64) -> Result<Word, Status> {
        let request = AuthenticateRequest {
            name: question.name.clone(),
            password: question.password.clone(),
            client_address: question.address.clone(),
        };
        let mut client = CredentialsClient::new(self.channel.clone());
        let request = chassis::rpc::traced(Request::new(request));
        let said = client.authenticate(request).await?.into_inner();
        let Some(user) = said.user else {
            return Ok(Word::Wrong { locked_seconds: said.locked_seconds });
        };
        // A person who cannot be named by a revocation would be known for good.
        if user.subject.is_empty() || user.issuer.is_empty() {
            return Err(Status::internal("the key manager names nobody"));
        }
        let at = user.authenticated_at.map_or(asked_us.div_euclid(1_000_000), |at| at.seconds);
        let person = Person {
            issuer: user.issuer.into(),
            subject: user.subject.into(),
            name: user.name.into(),
            roles: user.roles.into_iter().map(Arc::from).collect(),
            authenticated_at: at,
        };
        Ok(Word::Right { person: Arc::new(person), until_us: asked_us.saturating_add(COUNTS_US) })
    }
}
