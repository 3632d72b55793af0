//! What is a program asked that decides, and what may it answer?

use std::error::Error;
use std::fmt;

use turnpike_proto::config::v1::WorkflowRequestSpec;
use turnpike_proto::config::v1::workflow_spec::Executor;

/// Asks programs of the operator.
#[async_trait::async_trait]
pub trait Decider: fmt::Debug + Send + Sync + 'static {
    /// What becomes of a request. `secret` is what questions by HTTP are signed under.
    async fn ask(
        &self,
        executor: &Executor,
        secret: Option<chassis::Secret>,
        question: Question,
    ) -> Result<(Answer, String), DeciderError>;
}

/// A request, and what whoever decides may want to know besides.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Its identifier.
    pub id: String,
    /// What it says.
    pub spec: WorkflowRequestSpec,
    /// Of a subscription: the application.
    pub application: String,
    /// Of a subscription: what it is to, `name:version`.
    pub api: String,
    /// The tier now.
    pub tier: String,
}

/// What a program answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is carried out.
    Approve,
    /// It is refused.
    Reject,
    /// It is decided later.
    Later,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum DeciderError {
    /// Nobody answers.
    #[error("it cannot be reached")]
    Away(#[source] Box<dyn Error + Send + Sync>),
    /// What came is no answer.
    #[error("it answers {0}, which decides nothing")]
    Answer(String),
    /// It cannot be asked as the Workflow says.
    #[error("it cannot be asked: {0}")]
    Unaskable(&'static str),
}
