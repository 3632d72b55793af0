//! Who answers questions about the calls?
//!
//! The collector itself, which keeps them in files of its own, or a ClickHouse that it hands them on
//! to. Both answer the same questions with the same numbers.

use std::sync::Arc;

use chassis::clock::Clock;

use super::clickhouse::Asker;
use super::open::Store;
use super::query::{Engine, Limits, QueryError};
use crate::question::{Found, Group, Question, Search};

/// Answers questions.
#[derive(Debug)]
pub enum Reader {
    /// From the files and the memory of this collector.
    Embedded(Arc<Engine>),
    /// From a ClickHouse.
    ClickHouse(Box<Asker>),
}

impl Reader {
    /// One that reads what the collector itself keeps.
    pub fn start(store: Arc<Store>, limits: &Limits, clock: Clock) -> Result<Self, QueryError> {
        Ok(Self::Embedded(Arc::new(Engine::start(store, limits, clock)?)))
    }

    /// Answers a question: the groups that have calls, in the order of the question, and one more
    /// than it wants where there are more. Of different values those that are unknown (empty, 0)
    /// do not count.
    pub async fn answer(&self, question: &Question) -> Result<Vec<Group>, QueryError> {
        match self {
            Self::Embedded(engine) => engine.answer(question).await,
            Self::ClickHouse(asker) => asker.answer(question).await,
        }
    }

    /// Finds a page of calls. Pages that follow one another neither repeat nor leave out a call
    /// that has a request identifier.
    pub async fn search(&self, search: &Search) -> Result<Found, QueryError> {
        match self {
            Self::Embedded(engine) => engine.search(search).await,
            Self::ClickHouse(asker) => asker.search(search).await,
        }
    }
}
