//! What does one worker's thread do, from its start to the end of its drain?

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chassis::clock::Clock;
use chassis::proxies::Proxies;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::connection::{Doors, Manners, serve};
use super::crowd::Crowd;
use super::listener::{Lent, Listeners};
use super::serve::WorkerContext;
use crate::alarm::{Alarms, TICK};
use crate::assertions::Minted;
use crate::bearer;
use crate::cells::Cells;
use crate::compression::Encoders;
use crate::copies::Copies;
use crate::credentials::{People, Tokens};
use crate::handlers::Policies;
use crate::limits::store::Clerk;
use crate::limits::{Desk, Front, Lane, Ways};
use crate::overload::{Gate, Memory};
use crate::received::Bounds;
use crate::sender::{Config, Pool, http2::Channels};
use crate::servers::{Servers, hash};
use crate::worker::{InForce, Names, Worker};

/// How often free backend connections are looked through, in ticks.
const SWEEP_TICKS: u32 = 20;
/// How long to wait when the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Of so many failures in a row one is logged.
const SAID_EVERY: u32 = 200;
/// How long copies that are under way to mirrors may hold up a stop when everything else has ended.
const LAST_COPIES: Duration = Duration::from_secs(1);
/// Questions about shared limits that may wait for the worker's clerk, and for being passed on to the control
/// plane.
const UNASKED: usize = 1024;
/// Threads that resolve names.
const RESOLVERS: usize = 4;

/// What a worker starts with.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) listeners: Arc<Listeners>,
    /// Whether the stop does not pause before it ends accepting.
    pub(super) at_once: Arc<AtomicBool>,
    pub(super) context: WorkerContext,
    pub(super) cells: Arc<Cells>,
    pub(super) proxies: Proxies,
    pub(super) crowd: Arc<Crowd>,
    pub(super) ended: oneshot::Sender<()>,
}

/// Runs a worker on this thread until it has drained.
pub(super) fn run(seat: Seat) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(RESOLVERS)
        .build_local(tokio::runtime::LocalOptions::default());
    match runtime {
        Ok(runtime) => {
            if let Err(error) = runtime.block_on(work(seat)) {
                tracing::error!(error = &error as &dyn std::error::Error, "worker failed");
            }
            // A name that is still being resolved must not hold the drain up.
            runtime.shutdown_background();
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "worker has no runtime");
        }
    }
}

async fn work(seat: Seat) -> io::Result<()> {
    // Told by dropping, however this ends.
    let _ended = seat.ended;
    let context = seat.context;
    let (lane, clerk) = clerk(&context);
    let worker = Rc::new(worker(&context, lane, seat.cells, seat.proxies));
    let config = context.settings.receiver.clone();
    let (drain, drain_pause, drain_idle) = (config.drain, config.drain_pause, config.drain_idle);
    let doors = Rc::new(Doors::new(
        Rc::clone(&worker),
        config,
        Arc::clone(&context.tls),
        context.tasks.clone(),
        seat.crowd,
    ));
    let listeners = opened(&seat.listeners, &context.settings.receiver.proxy_protocol)?;
    let watch = Watch::start(&worker, &context);
    let (at_once, lendable) = (seat.at_once, seat.listeners);
    let leaving = async {
        context.shutdown.wait().await;
        if !at_once.load(Ordering::Acquire) {
            context.clock.sleep(drain_pause).await;
        }
    };
    tokio::select! {
        () = leaving => {}
        () = ticking(&worker, &watch, |_| false) => {}
        () = worker.recorder.clone().flushing() => {}
        _ = join_all(listeners.iter().map(|door| accepting(&doors, &context, door))) => {}
    }
    // Who was already waiting at the door is let in; then it closes.
    for door in &listeners {
        while let Some(Ok((stream, from))) = door.socket.accept().now_or_never() {
            welcome(&doors, &context, stream, from, door.manners);
        }
    }
    drop((listeners, lendable));
    worker.draining.set(true);
    worker.alarms.wake_all();
    let over = async {
        emptied(&worker, &watch, &context.clock, drain_idle).await;
        tokio::select! {
            () = ticking(&worker, &watch, |worker| !worker.copies.any()) => {}
            () = context.clock.sleep(LAST_COPIES) => {}
        }
    };
    tokio::select! {
        () = context.clock.sleep(drain) => {}
        () = over => {}
    }
    if let Some(clerk) = clerk {
        clerk.leave().await;
    }
    worker.pool.close();
    worker.channels.close();
    worker.recorder.flush();
    worker.lines.flush();
    Ok(())
}

/// The way to the store that counts for all gateways, and who goes it.
fn clerk(context: &WorkerContext) -> (Lane, Option<Rc<Clerk>>) {
    let Some(store) = &context.limits.store else { return (Lane::off(), None) };
    let (lane, asks) = Lane::open(UNASKED);
    let clerk = Clerk::start(Arc::clone(store), asks, &context.clock, &context.tasks);
    (lane, Some(clerk))
}

/// The way to the control plane. What calls ask is passed on behind them: waking the thread that asks it takes
/// longer than all limits of a call.
fn relay(context: &WorkerContext) -> Lane {
    let far = context.limits.control_plane.clone();
    if far.is_off() {
        return far;
    }
    let (near, mut asks) = Lane::open(UNASKED);
    let pass_on = async move {
        while let Some(ask) = asks.recv().await {
            far.put(ask);
        }
    };
    drop(context.tasks.spawn_local("limit-asks", pass_on));
    near
}

fn worker(context: &WorkerContext, lane: Lane, cells: Arc<Cells>, proxies: Proxies) -> Worker {
    let settings = &context.settings;
    let now = context.clock.instant();
    let pool = Pool::new(settings.sender.clone(), Arc::clone(&cells));
    let spares = Rc::clone(pool.spares());
    let alarms = Alarms::new(now);
    let tasks = context.tasks.clone();
    let channels = Channels::new(settings.sender.clone(), tasks, Rc::clone(&alarms));
    let Config { max_copies, max_connections, .. } = settings.sender;
    let copies = Copies::new(max_copies, max_connections, Arc::clone(&cells));
    let ways = Ways { control_plane: relay(context), ..context.limits.clone() };
    let worker = Worker {
        clock: context.clock.clone(),
        desk: Rc::new(Desk::new(ways, lane)),
        front: Front::default(),
        policies: Policies::default(),
        in_force: InForce::new(Arc::clone(&context.current)),
        revocations: Arc::clone(&context.revocations),
        store: Arc::clone(&context.store),
        flights: cache::Flights::default(),
        encoders: Encoders::default(),
        tasks: context.tasks.clone(),
        copies,
        tokens: RefCell::new(Tokens::new(settings.credentials.cache)),
        pool: Rc::new(pool),
        channels,
        open_calls: Rc::default(),
        alarms,
        cells,
        recorder: context.recording.recorder(),
        token_endpoint: context.token_endpoint.clone(),
        introspection: context.introspection.clone(),
        passwords: context.passwords.clone(),
        proofs: Arc::clone(&context.proofs),
        people: People::new(chassis::random::bytes()),
        missing_keys: context.missing_keys.clone(),
        bearers: bearer::Known::of(context.bearers.clone()),
        minted: RefCell::new(Minted::new(Arc::clone(&context.signers), settings.jwts)),
        names: Names::new(chassis::random::bytes()),
        servers: Servers::new(Arc::clone(&context.servers), hash(&chassis::random::bytes::<8>())),
        bounds: Bounds {
            target_bytes: settings.receiver.max_target_bytes,
            fields: settings.receiver.max_headers,
            body_bytes: settings.receiver.max_body,
        },
        proxies,
        certificate_told: settings.receiver.forward_client_certificate,
        field_names: Rc::default(),
        spares,
        gate: Gate::new(settings.overload),
        lines: context.access_log.lines(),
        watched: Arc::clone(&context.watched),
        draining: Cell::new(false),
        waits_no_more: Cell::new(false),
        date: RefCell::default(),
        wall: Cell::new((now, 0)),
    };
    worker.set_wall(now);
    worker
}

struct Door {
    socket: TcpListener,
    manners: Manners,
}

fn opened(listeners: &Listeners, proxied: &[SocketAddr]) -> io::Result<Vec<Door>> {
    let doors = listeners.lend()?.into_iter();
    doors
        .map(|Lent { socket, secure, .. }| {
            let here = socket.local_addr()?;
            let is_here = |wanted: &SocketAddr| {
                wanted.ip() == here.ip() && [0, here.port()].contains(&wanted.port())
            };
            let manners = Manners { secure, proxied: proxied.iter().any(is_here) };
            Ok(Door { socket: TcpListener::from_std(socket)?, manners })
        })
        .collect()
}

async fn accepting(doors: &Rc<Doors>, context: &WorkerContext, door: &Door) {
    let mut failing = 0_u32;
    loop {
        if !doors.worker.gate.accepts() {
            // Who comes waits in the kernel's queue, which costs the process nothing.
            context.clock.sleep(ACCEPT_PAUSE).await;
            continue;
        }
        match door.socket.accept().await {
            Ok((stream, from)) => welcome(doors, context, stream, from, door.manners),
            Err(error) => {
                // Descriptors are dealt out so that there is always one; if not, one line a while.
                if failing.is_multiple_of(SAID_EVERY) {
                    tracing::warn!(error = &error as &dyn std::error::Error, "cannot accept");
                }
                failing = failing.wrapping_add(1);
                context.clock.sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn welcome(
    doors: &Rc<Doors>,
    context: &WorkerContext,
    stream: TcpStream,
    from: SocketAddr,
    manners: Manners,
) {
    let cells = &doors.worker.cells;
    if cells.connections.get() >= doors.config.max_connections as u64 {
        cells.turned_away.add(1);
        return;
    }
    cells.accepted.add(1);
    // A connection ends by itself; the drain waits for all of them.
    drop(context.tasks.spawn_local("connection", serve(Rc::clone(doors), stream, from, manners)));
}

/// How it is seen whether the worker has too much to do.
struct Watch {
    /// Puts a piece of work behind all that waits.
    probe: Rc<Notify>,
    probing: JoinHandle<()>,
    memory: Arc<Memory>,
}

impl Watch {
    fn start(worker: &Rc<Worker>, context: &WorkerContext) -> Self {
        let (probe, worker) = (Rc::<Notify>::default(), Rc::clone(worker));
        let notified = Rc::clone(&probe);
        let probing = context.tasks.spawn_local("probe", async move {
            loop {
                notified.notified().await;
                worker.gate.probed(worker.clock.instant());
            }
        });
        Self { probe, probing, memory: Arc::clone(&context.memory) }
    }

    fn tick(&self, worker: &Worker, now: Instant) {
        worker.gate.tick(now, self.memory.pressure());
        if worker.gate.probe(now) {
            self.probe.notify_one();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.probing.abort();
    }
}

/// Waits until no connection is open. Those without a call are kept for so long as `idle`.
async fn emptied(worker: &Rc<Worker>, watch: &Watch, clock: &Clock, idle: Duration) {
    let left = |worker: &Worker| worker.cells.connections.get() == 0;
    tokio::select! {
        () = ticking(worker, watch, left) => return,
        () = clock.sleep(idle) => {}
    }
    worker.waits_no_more.set(true);
    worker.alarms.wake_all();
    ticking(worker, watch, left).await;
}

/// Moves the worker's time until `over` says that it is enough.
async fn ticking(worker: &Rc<Worker>, watch: &Watch, over: impl Fn(&Worker) -> bool) {
    let mut ticks = 0_u32;
    loop {
        let now = worker.clock.instant();
        worker.set_wall(now);
        worker.alarms.tick(now);
        worker.open_calls.tick();
        watch.tick(worker, now);
        worker.lines.flush();
        if ticks.is_multiple_of(SWEEP_TICKS) {
            worker.servers.sweep();
            worker.pool.sweep(now);
            worker.channels.sweep(now);
        }
        ticks = ticks.wrapping_add(1);
        if over(worker) {
            return;
        }
        until_tick(worker).await;
    }
}

/// Waits for the next tick. What ends calls meanwhile does not wait for it.
async fn until_tick(worker: &Rc<Worker>) {
    let mut tick = pin!(worker.clock.sleep(TICK));
    loop {
        // Asked for before it is looked, so that nothing moves unseen in between.
        let (revoked, swapped) = (worker.revocations.moved(), worker.in_force.moved());
        worker.look_at_open_calls();
        tokio::select! {
            () = &mut tick => return,
            () = revoked => {}
            () = swapped => {}
        }
    }
}
