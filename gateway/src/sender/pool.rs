//! Which connections to backends are open, and which of them are free?
//!
//! Each worker has its own pool, so nothing here is locked. The connection that was free the
//! shortest is taken first: the others grow old and close, and the pool shrinks to what is needed.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Instant;

use bytes::BytesMut;
use tokio::io::AsyncReadExt as _;

use super::config::Config;
use super::link::Link;
use super::trust::Trust;
use crate::cells::Cells;
use crate::http1::{FieldNames, Places};
use crate::spares::Spares;

/// What a connection's buffer starts with: a head and a small body.
const FIRST_READ: usize = 8 * 1024;
/// What it may grow to while a large body passes.
pub(super) const MOST_READ: usize = 128 * 1024;
/// Request buffers above this size are not kept with a free connection.
const KEPT_BUFFER: usize = 16 * 1024;

/// The backend connections of one worker.
#[derive(Debug)]
pub struct Pool {
    pub(super) config: Config,
    pub(super) cells: Arc<Cells>,
    lanes: RefCell<Lanes>,
    open: Rc<Cell<usize>>,
    /// Names of fields that backends have said.
    pub(super) names: Rc<FieldNames>,
    /// Where maps for their heads come from.
    pub(super) spares: Rc<Spares>,
}

type Lanes = HashMap<Key, Rc<Lane>, ahash::RandomState>;

/// What connections may be taken for each other by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    authority: Rc<str>,
    address: Option<SocketAddr>,
    /// Where the trust lies, which the lane keeps there; 0: none.
    trust: usize,
}

/// One backend address with its free connections.
#[derive(Debug)]
pub struct Lane {
    authority: Rc<str>,
    pub(super) host: Box<str>,
    pub(super) port: u16,
    /// Where exactly; `None`: the name says it.
    pub(super) address: Option<SocketAddr>,
    pub(super) trust: Option<Arc<Trust>>,
    free: RefCell<VecDeque<Free>>,
    open: Rc<Cell<usize>>,
}

#[derive(Debug)]
struct Free {
    connection: Box<Connection>,
    since: Instant,
}

/// A connection to a backend, between two exchanges. Boxed where it is handed about: each call takes
/// one and gives it back.
#[derive(Debug)]
pub struct Connection {
    pub(super) link: Link,
    pub(super) lane: Rc<Lane>,
    /// What was read and not yet understood; without room while nothing is being read.
    pub(super) input: BytesMut,
    /// What is to be written: a request head.
    pub(super) output: Vec<u8>,
    /// Where the fields of the last head lay.
    pub(super) places: Places,
    /// How much to read at once.
    pub(super) read_size: usize,
    used: bool,
    _counted: Counted,
}

/// Counts an open connection for as long as it lives.
#[derive(Debug)]
pub(super) struct Counted {
    open: Rc<Cell<usize>>,
    of_lane: Rc<Cell<usize>>,
    cells: Arc<Cells>,
}

impl Pool {
    /// An empty pool.
    pub fn new(config: Config, cells: Arc<Cells>) -> Self {
        let (lanes, open, names, spares) = Default::default();
        Self { config, cells, lanes, open, names, spares }
    }

    /// Where what its connections give away may be given back.
    pub const fn spares(&self) -> &Rc<Spares> {
        &self.spares
    }

    /// The lane to `host:port`, at `address` where that is known, under TLS where `trust` is given.
    /// `authority` names it.
    pub fn lane(
        &self,
        authority: &str,
        host: &str,
        port: u16,
        address: Option<SocketAddr>,
        trust: Option<&Arc<Trust>>,
    ) -> Rc<Lane> {
        let authority: Rc<str> = Rc::from(authority);
        let place = trust.map_or(0, |trust| Arc::as_ptr(trust).addr());
        let key = Key { authority: Rc::clone(&authority), address, trust: place };
        let mut lanes = self.lanes.borrow_mut();
        let lane = lanes.entry(key).or_insert_with(|| {
            Rc::new(Lane {
                authority,
                host: host.trim_start_matches('[').trim_end_matches(']').into(),
                port,
                address,
                trust: trust.cloned(),
                free: RefCell::default(),
                open: Rc::default(),
            })
        });
        Rc::clone(lane)
    }

    /// A free connection that is still alive.
    pub fn take(&self, lane: &Lane, now: Instant) -> Option<Box<Connection>> {
        let mut free = lane.free.borrow_mut();
        while let Some(mut next) = free.pop_back() {
            if now.duration_since(next.since) < self.config.idle_timeout
                && next.connection.is_silent()
            {
                self.cells.reused.add(1);
                return Some(next.connection);
            }
        }
        None
    }

    /// Keeps `connection` for the next exchange.
    pub(super) fn put(&self, mut connection: Box<Connection>, now: Instant) {
        let lane = Rc::clone(&connection.lane);
        let mut free = lane.free.borrow_mut();
        if free.len() < self.config.max_idle {
            connection.used = true;
            connection.output.clear();
            connection.output.shrink_to(KEPT_BUFFER);
            free.push_back(Free { connection, since: now });
        }
    }

    /// Room for one more connection of `lane`, which may have so many; `None` where there is none.
    pub(super) fn count(&self, lane: &Lane, most: Option<NonZeroU32>) -> Option<Counted> {
        let most = most.and_then(|most| usize::try_from(most.get()).ok());
        if lane.open.get() >= most.unwrap_or(self.config.max_per_server) {
            return None;
        }
        if self.open.get() >= self.config.max_connections && !self.make_room() {
            return None;
        }
        self.open.set(self.open.get() + 1);
        lane.open.set(lane.open.get() + 1);
        self.cells.backend_connections.add(1);
        self.cells.dialled.add(1);
        let (open, of_lane) = (Rc::clone(&self.open), Rc::clone(&lane.open));
        Some(Counted { open, of_lane, cells: Arc::clone(&self.cells) })
    }

    /// Closes a free connection of whichever backend, so that another backend can have one.
    fn make_room(&self) -> bool {
        let lanes = self.lanes.borrow();
        lanes.values().any(|lane| lane.free.borrow_mut().pop_front().is_some())
    }

    /// Closes what was free for too long or was closed by its backend, and forgets addresses that
    /// nobody uses. To be called every second or so.
    pub fn sweep(&self, now: Instant) {
        self.lanes.borrow_mut().retain(|_, lane| {
            lane.free.borrow_mut().retain_mut(|free| {
                now.duration_since(free.since) < self.config.idle_timeout
                    && free.connection.is_silent()
            });
            !lane.free.borrow().is_empty() || Rc::strong_count(lane) > 1
        });
    }

    /// Closes every free connection.
    pub fn close(&self) {
        for lane in self.lanes.take().values() {
            lane.free.borrow_mut().clear();
        }
    }
}

impl Lane {
    /// Host and port.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether its connections were made with this trust, or in the clear.
    pub fn trusts(&self, trust: Option<&Arc<Trust>>) -> bool {
        match (&self.trust, trust) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
            _ => false,
        }
    }
}

impl Connection {
    pub(super) fn new(link: Link, lane: Rc<Lane>, counted: Counted, places: Places) -> Self {
        Self {
            link,
            lane,
            input: BytesMut::new(),
            output: Vec::new(),
            places,
            read_size: FIRST_READ,
            used: false,
            _counted: counted,
        }
    }

    /// Whether an exchange has ended well on it before. Its backend may be closing it right now.
    pub const fn is_used(&self) -> bool {
        self.used
    }

    /// Where it leads.
    pub const fn lane(&self) -> &Rc<Lane> {
        &self.lane
    }

    /// Where to write the next request head.
    pub const fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Whether the backend has neither closed it nor said anything unasked. Costs no system call
    /// while nothing has happened.
    fn is_silent(&mut self) -> bool {
        let mut unasked = [0; 1];
        let mut read = std::pin::pin!(self.link.read(&mut unasked));
        read.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.open.set(self.open.get().saturating_sub(1));
        self.of_lane.set(self.of_lane.get().saturating_sub(1));
        self.cells.backend_connections.sub(1);
    }
}
