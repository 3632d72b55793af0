//! Is every program still running?
//!
//! A program that ends after it was ready once is told of and started again, at growing distances.
//! One that ends before, or that says that its configuration is wrong, would end again: the whole
//! system goes down with its reason.

use std::sync::Arc;
use std::time::Duration;

use chassis::backoff::Backoff;
use chassis::clock::Clock;
use chassis::task::Tasks;
use tokio::process::Child;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::error::UpError;
use super::process::{Order, Program, end, how};
use super::{logs, ready};
use crate::output::note;

/// Exit code of every service for a configuration that it refuses.
const BAD_CONFIGURATION: i32 = 2;
const LINES: usize = 12;
/// Whoever ran so long did not fall over its own feet.
const STEADY: Duration = Duration::from_secs(30);

/// One program that is kept running.
#[derive(Debug)]
pub(super) struct Member {
    program: Arc<Program>,
    order: watch::Sender<Order>,
    ready: watch::Sender<bool>,
    /// `None` once it was seen to end.
    task: Option<JoinHandle<()>>,
}

/// What every member needs.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    pub(super) clock: Clock,
    pub(super) tasks: Tasks,
    pub(super) grace: Duration,
    /// Why the system cannot go on.
    pub(super) failed: mpsc::Sender<UpError>,
}

impl Member {
    pub(super) fn start(program: Program, around: &Surroundings) -> Self {
        let program = Arc::new(program);
        let (order, orders) = watch::channel(Order::Run);
        let (ready, was_ready) = watch::channel(false);
        let keeper =
            Keeper { program: Arc::clone(&program), orders, was_ready, around: around.clone() };
        let task = around.tasks.spawn("program", keeper.keep());
        Self { program, order, ready, task: Some(task) }
    }

    pub(super) fn program(&self) -> &Program {
        &self.program
    }

    /// Waits until it serves for the first time.
    pub(super) async fn ready(&self, clock: &Clock) {
        ready::wait(&self.program, clock).await;
        self.ready.send_replace(true);
    }

    /// Ends it; `Kill` after `Stop` makes it short.
    pub(super) fn order(&self, order: Order) {
        self.order.send_replace(order);
    }

    /// Returns once it has ended.
    pub(super) async fn ended(&mut self) {
        if let Some(task) = &mut self.task {
            // A panic in the keeper is told where it happened; the child is killed with it.
            let _ = task.await;
            self.task = None;
        }
    }
}

struct Keeper {
    program: Arc<Program>,
    orders: watch::Receiver<Order>,
    was_ready: watch::Receiver<bool>,
    around: Surroundings,
}

impl Keeper {
    async fn keep(mut self) {
        let mut backoff = Backoff::between(Duration::from_millis(500), Duration::from_secs(15));
        loop {
            let started = self.around.clock.instant();
            let mut child = match self.program.start() {
                Ok(child) => child,
                Err(error) => return self.fail(error).await,
            };
            let Some(status) = self.until_it_ends(&mut child).await else { return };
            if *self.orders.borrow() != Order::Run {
                return;
            }
            let lines = logs::last_lines(&self.program.log, LINES);
            let program = self.program.name;
            let hopeless = status.code() == Some(BAD_CONFIGURATION);
            if hopeless || !*self.was_ready.borrow() {
                let log = self.program.log.clone();
                return self.fail(UpError::Ended { program, how: how(status), log, lines }).await;
            }
            if self.around.clock.instant().duration_since(started) > STEADY {
                backoff.reset();
            }
            let wait = backoff.next();
            note(format_args!("{program} ended ({}); its last lines:\n{lines}", how(status)));
            note(format_args!("{program} is started again in {:.1} s", wait.as_secs_f32()));
            tokio::select! {
                () = self.around.clock.sleep(wait) => {}
                _ = self.orders.wait_for(|order| *order != Order::Run) => return,
            }
        }
    }

    /// `None`: it was told to end, and has.
    async fn until_it_ends(&mut self, child: &mut Child) -> Option<std::process::ExitStatus> {
        let again = *self.was_ready.borrow();
        let announce = async {
            if again {
                ready::wait(&self.program, &self.around.clock).await;
                note(format_args!("{} is ready again", self.program.name));
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            status = child.wait() => return status.ok(),
            _ = self.orders.wait_for(|order| *order >= Order::Stop) => {}
            () = announce => {}
        }
        let Surroundings { clock, grace, .. } = &self.around;
        if !end(child, &mut self.orders, clock, *grace).await {
            note(format_args!("{} did not end by itself and was killed", self.program.name));
        }
        None
    }

    async fn fail(&self, error: UpError) {
        // Nobody listens any more when the system is going down anyway.
        let _ = self.around.failed.send(error).await;
    }
}
