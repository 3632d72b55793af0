//! Which connection does a stream go over, and when is there one more?
//!
//! The first with room; where none has any, one more is opened, by one call at a time, and the
//! others wait for it. Each worker has its own, as with connections of HTTP/1.1.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use chassis::clock::Clock;
use chassis::task::Tasks;
use tokio::sync::Semaphore;

use super::super::config::Config;
use super::super::dial::{DialError, Limits};
use super::super::pool::{Lane, Pool};
use super::super::trust::Trust;
use super::super::tunnel::Tunnel;
use super::channel::{Channel, Slot};
use crate::alarm::Alarms;

/// The HTTP/2 connections of one worker to its backends.
#[derive(Debug)]
pub struct Channels {
    config: Config,
    tasks: Tasks,
    alarms: Rc<Alarms>,
    /// By where the lane lies, which is kept there.
    lines: RefCell<HashMap<usize, Rc<Line>, ahash::RandomState>>,
    trusts: RefCell<HashMap<usize, Trusts, ahash::RandomState>>,
}

/// TLS to a group of backends, and the same with HTTP/2 as what is spoken under it.
#[derive(Debug)]
struct Trusts {
    base: Arc<Trust>,
    http2: Arc<Trust>,
}

/// The connections of one lane.
#[derive(Debug)]
struct Line {
    lane: Rc<Lane>,
    channels: RefCell<Vec<Rc<Channel>>>,
    /// Whose turn it is to open one more.
    turn: Semaphore,
    failures: Cell<u64>,
    /// Why the last one could not be opened.
    failed: RefCell<Option<Arc<DialError>>>,
}

impl Channels {
    /// No connections yet.
    pub fn new(config: Config, tasks: Tasks, alarms: Rc<Alarms>) -> Self {
        Self { config, tasks, alarms, lines: RefCell::default(), trusts: RefCell::default() }
    }

    /// As `trust`, with HTTP/2 as what is spoken; the same one for the same one.
    pub fn trust(&self, trust: &Arc<Trust>) -> Arc<Trust> {
        let mut trusts = self.trusts.borrow_mut();
        let known = trusts.entry(Arc::as_ptr(trust).addr()).or_insert_with(|| Trusts {
            base: Arc::clone(trust),
            http2: Arc::new(trust.for_http2()),
        });
        Arc::clone(&known.http2)
    }

    /// Room for a stream to where `lane` leads.
    pub async fn slot(
        &self,
        pool: &Pool,
        lane: &Rc<Lane>,
        clock: &Clock,
        limits: Limits,
    ) -> Result<Slot, DialError> {
        let line = self.line(lane);
        if let Some(slot) = self.free(&line) {
            pool.cells.reused.add(1);
            return Ok(slot);
        }
        let failures = line.failures.get();
        let _turn = line.turn.acquire().await;
        if let Some(slot) = self.free(&line) {
            return Ok(slot);
        }
        // Who waited while the backend could not be reached does not try it all over again.
        if line.failures.get() != failures
            && let Some(error) = &*line.failed.borrow()
        {
            return Err(DialError::Other(Arc::clone(error)));
        }
        self.open(pool, &line, clock, limits).await.map_err(|error| {
            let error = Arc::new(error);
            line.failures.set(line.failures.get().wrapping_add(1));
            *line.failed.borrow_mut() = Some(Arc::clone(&error));
            DialError::Other(error)
        })
    }

    async fn open(
        &self,
        pool: &Pool,
        line: &Line,
        clock: &Clock,
        limits: Limits,
    ) -> Result<Slot, DialError> {
        let connection = pool.dial(&line.lane, clock, limits).await?;
        if !connection.link.speaks_http2() {
            return Err(DialError::NoHttp2);
        }
        let Config { http2_streams, http2_ping, .. } = self.config;
        let opening = Channel::open(Tunnel(connection), http2_streams, http2_ping, &self.alarms);
        let (channel, driven) = opening.await.map_err(|error| DialError::Http2(Box::new(error)))?;
        // It ends with its connection, or when nobody holds that any more.
        drop(self.tasks.spawn_local("http2-backend", driven));
        let channel = Rc::new(channel);
        let slot = Slot::take(&channel, &self.alarms);
        line.channels.borrow_mut().push(channel);
        Ok(slot)
    }

    /// Room on a connection that is open. The fullest is filled first: the others grow old and
    /// close.
    fn free(&self, line: &Line) -> Option<Slot> {
        let mut channels = line.channels.borrow_mut();
        channels.retain(|channel| !channel.is_gone());
        let most = self.config.http2_streams;
        let free = channels.iter().filter(|channel| channel.has_room(most));
        let fullest = free.max_by_key(|channel| channel.streams())?;
        Some(Slot::take(fullest, &self.alarms))
    }

    fn line(&self, lane: &Rc<Lane>) -> Rc<Line> {
        let line = || Line {
            lane: Rc::clone(lane),
            channels: RefCell::default(),
            turn: Semaphore::new(1),
            failures: Cell::default(),
            failed: RefCell::default(),
        };
        let mut lines = self.lines.borrow_mut();
        Rc::clone(lines.entry(Rc::as_ptr(lane).addr()).or_insert_with(|| Rc::new(line())))
    }

    /// Closes what had no stream for too long, and forgets where nobody goes. To be called every
    /// second or so.
    pub fn sweep(&self, now: Instant) {
        let idle = self.config.idle_timeout;
        self.lines.borrow_mut().retain(|_, line| {
            let mut channels = line.channels.borrow_mut();
            channels.retain(|channel| !channel.is_gone() && !channel.is_idle(now, idle));
            !channels.is_empty() || Rc::strong_count(line) > 1
        });
        self.trusts.borrow_mut().retain(|_, known| Arc::strong_count(&known.base) > 1);
    }

    /// Lets every connection end with its last stream.
    pub fn close(&self) {
        self.lines.borrow_mut().clear();
    }
}
