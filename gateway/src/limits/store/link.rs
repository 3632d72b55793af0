//! How does a worker reach the engine?
//!
//! Each worker has one connection of its own, on which what it asks is pipelined. It is made when somebody
//! asks, beside the calls: who asks meanwhile waits for it as long as for an answer. One that broke is
//! forgotten, and the next question makes another one; Sentinel and cluster are asked anew where the
//! master is then.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use chassis::clock::Clock;
use chassis::task::Tasks;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RetryMethod, Value};
use tokio::sync::watch;

use super::error::StoreError;
use super::source::Source;

/// How long it may take until a connection is made; calls do not wait for so long.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// A connection to a server or to the nodes of a cluster.
#[derive(Clone)]
pub struct Connection {
    /// Which one of its link it is.
    number: u64,
    leads_to: LeadsTo,
}

/// Who is at the other end.
#[derive(Clone)]
pub(super) enum LeadsTo {
    One(MultiplexedConnection),
    Many(ClusterConnection),
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("number", &self.number).finish_non_exhaustive()
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match &mut self.leads_to {
            LeadsTo::One(connection) => connection.req_packed_command(command),
            LeadsTo::Many(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match &mut self.leads_to {
            LeadsTo::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            LeadsTo::Many(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match &self.leads_to {
            LeadsTo::One(connection) => connection.get_db(),
            LeadsTo::Many(connection) => connection.get_db(),
        }
    }
}

type Made = Option<Result<Connection, StoreError>>;

enum State {
    Idle,
    Connecting(watch::Receiver<Made>),
    Up(Connection),
}

/// The way of one worker to the engine.
pub struct Link {
    source: Arc<Source>,
    clock: Clock,
    tasks: Tasks,
    state: RefCell<State>,
    /// Connections so far.
    made: Cell<u64>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Link {
    /// Nothing is connected yet.
    pub fn new(source: Arc<Source>, clock: Clock, tasks: Tasks) -> Self {
        Self { source, clock, tasks, state: RefCell::new(State::Idle), made: Cell::new(0) }
    }

    /// The connection, made where there is none.
    pub async fn connection(self: &Rc<Self>) -> Result<Connection, StoreError> {
        let mut made = match &*self.state.borrow() {
            State::Up(connection) => return Ok(connection.clone()),
            State::Connecting(made) => Some(made.clone()),
            State::Idle => None,
        };
        let made = made.get_or_insert_with(|| self.connect());
        let said = made.wait_for(Option::is_some).await.map_err(|_| StoreError::Ending)?;
        said.clone().unwrap_or(Err(StoreError::Ending))
    }

    fn connect(self: &Rc<Self>) -> watch::Receiver<Made> {
        let (tell, made) = watch::channel(None);
        *self.state.borrow_mut() = State::Connecting(made.clone());
        let link = Rc::clone(self);
        drop(self.tasks.spawn_local("limit-store", async move {
            let connected = link.clock.timeout(CONNECT_WITHIN, link.source.connect()).await;
            let number = link.made.get().wrapping_add(1);
            link.made.set(number);
            let connected = match connected {
                Ok(Ok(leads_to)) => Ok(Connection { number, leads_to }),
                Ok(Err(error)) => Err(StoreError::Unreachable(error.into())),
                Err(_) => Err(StoreError::Late(CONNECT_WITHIN)),
            };
            *link.state.borrow_mut() = match &connected {
                Ok(connection) => State::Up(connection.clone()),
                Err(_) => State::Idle,
            };
            // Nobody may be waiting any more.
            let _ = tell.send(Some(connected));
        }));
        made
    }

    /// Whoever asks next gets another connection.
    pub fn forget(&self) {
        let mut state = self.state.borrow_mut();
        if matches!(*state, State::Up(_)) {
            *state = State::Idle;
        }
    }

    /// Forgets a connection that is no longer good for anything. Whether it was.
    pub fn forget_after(&self, connection: &Connection, error: &StoreError) -> bool {
        let StoreError::Failed(error) = error else { return false };
        if !is_over(error) {
            return false;
        }
        let mut state = self.state.borrow_mut();
        // Somebody else may have got a better one already.
        if matches!(&*state, State::Up(held) if held.number == connection.number) {
            *state = State::Idle;
        }
        true
    }
}

/// Whether a connection leads to nobody who counts: it broke, or its server is no master any more.
fn is_over(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Io => !error.is_timeout(),
        ErrorKind::Parse | ErrorKind::AuthenticationFailed => true,
        _ => matches!(
            error.retry_method(),
            RetryMethod::Reconnect
                | RetryMethod::ReconnectFromInitialConnections
                | RetryMethod::RefreshSlotsAndRetry
                | RetryMethod::MovedRedirect
        ),
    }
}
