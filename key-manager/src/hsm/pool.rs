//! How do many ask a device that does one thing after the other?
//!
//! A few sessions on threads of their own, and so many who wait; beyond it one hears to come back. A session
//! that fails is replaced, and what was asked in it is asked once more; where that fails too, the module is
//! begun anew, because some do not notice otherwise that their device is back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chassis::Tasks;
use chassis::clock::Clock;
use jose::PublicHalf;
use tokio::sync::Semaphore;

use super::link::{Link, Module};
use super::{HsmError, HsmRules};
use crate::domain::TokenAlgorithm;

/// Making a key takes longer than using it.
const PATIENCE: Duration = Duration::from_mins(1);

/// The module is begun anew once in this time.
const PAUSE: Duration = Duration::from_secs(1);

/// The device; cheap to clone.
#[derive(Clone, Debug)]
pub struct Hsm {
    shared: Arc<Shared>,
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    timeout: Duration,
    clock: Clock,
    tasks: Tasks,
}

/// A key that the device made.
#[derive(Clone, Debug)]
pub struct Made {
    /// By which it is found again.
    pub object: Arc<[u8]>,
    pub public: PublicHalf,
}

#[derive(Debug)]
struct Shared {
    module: Module,
    /// Sessions that nobody uses right now.
    idle: Mutex<Vec<Link>>,
    /// Held while a session is opened, so that a wrong PIN is not said twice.
    door: Mutex<Door>,
    /// Read by every call, and written to begin the module anew, which nobody may call then.
    calls: RwLock<()>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Door {
    /// The PIN was refused.
    barred: bool,
    /// When the module was begun anew.
    anew_at: Option<Instant>,
}

impl Hsm {
    /// Loads the module and logs in once, so that what is wrong is known at the start.
    pub async fn open(rules: HsmRules, clock: Clock, tasks: Tasks) -> Result<Self, HsmError> {
        let sessions = rules.sessions.clamp(1, Semaphore::MAX_PERMITS / 2);
        let waiting = rules.waiting.min(Semaphore::MAX_PERMITS / 2);
        let (timeout, time) = (rules.timeout, clock.clone());
        let opened = tasks.blocking(move || {
            let module = Module::open(rules)?;
            let idle = Mutex::new(vec![module.link()?]);
            let (door, calls) = (Mutex::default(), RwLock::default());
            Ok::<_, HsmError>(Shared { module, idle, door, calls, clock: time })
        });
        let shared = opened.await.map_err(|_| HsmError::Interrupted)??;
        Ok(Self {
            shared: Arc::new(shared),
            turns: Arc::new(Semaphore::new(sessions)),
            places: Arc::new(Semaphore::new(sessions.saturating_add(waiting))),
            timeout,
            clock,
            tasks,
        })
    }

    pub async fn generate(&self, algorithm: TokenAlgorithm) -> Result<Made, HsmError> {
        self.ask(PATIENCE, move |link| link.generate(algorithm)).await
    }

    /// The signature as it stands in a JWS.
    pub async fn sign(
        &self,
        algorithm: TokenAlgorithm,
        object: Arc<[u8]>,
        message: Vec<u8>,
    ) -> Result<Vec<u8>, HsmError> {
        self.ask(self.timeout, move |link| link.sign(algorithm, &object, &message)).await
    }

    /// Whether it has this private key.
    pub async fn has(&self, object: Arc<[u8]>) -> Result<bool, HsmError> {
        self.ask(PATIENCE, move |link| link.has(&object)).await
    }

    /// Removes a key for good; what is not there is no error.
    pub async fn destroy(&self, object: Arc<[u8]>) -> Result<(), HsmError> {
        self.ask(PATIENCE, move |link| link.destroy(&object)).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl Fn(&mut Link) -> Result<T, HsmError> + Send + 'static,
    ) -> Result<T, HsmError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| HsmError::Busy)?;
        let turns = Arc::clone(&self.turns);
        let (shared, tasks) = (Arc::clone(&self.shared), self.tasks.clone());
        let done = async move {
            let turn = turns.acquire_owned().await.map_err(|_| HsmError::Interrupted)?;
            // The permits go along: a device that hangs is not asked more often than it has sessions.
            let asked = tasks.blocking(move || {
                let _held = (place, turn);
                shared.ask(work)
            });
            asked.await.map_err(|_| HsmError::Interrupted)?
        };
        tokio::select! {
            done = done => done,
            () = self.clock.sleep(limit) => Err(HsmError::Late),
        }
    }
}

impl Shared {
    fn ask<T>(&self, work: impl Fn(&mut Link) -> Result<T, HsmError>) -> Result<T, HsmError> {
        let failed = {
            let _call = self.calls.read().unwrap_or_else(PoisonError::into_inner);
            // Not within the condition, where the lock would be held all the while.
            let kept = self.idle().pop();
            let mut tried = kept.map(|link| self.ask_in(link, &work));
            if tried.as_ref().is_none_or(Self::is_lost) {
                // What ended one of them has ended the others as well.
                drop(std::mem::take(&mut *self.idle()));
                tried = Some(self.link().and_then(|link| self.ask_in(link, &work)));
            }
            match tried {
                Some(Err(error)) if error.is_of_session() => error,
                Some(done) => return done,
                None => HsmError::Interrupted,
            }
        };
        self.anew(failed)?;
        let _call = self.calls.read().unwrap_or_else(PoisonError::into_inner);
        self.link().and_then(|link| self.ask_in(link, &work))
    }

    fn is_lost<T>(done: &Result<T, HsmError>) -> bool {
        match done {
            Err(error) if error.is_of_session() => {
                let error = error as &dyn std::error::Error;
                tracing::warn!(error, "a session with the device has failed");
                true
            }
            _ => false,
        }
    }

    /// Keeps the session unless it failed.
    fn ask_in<T>(
        &self,
        mut link: Link,
        work: &impl Fn(&mut Link) -> Result<T, HsmError>,
    ) -> Result<T, HsmError> {
        let done = work(&mut link);
        if !done.as_ref().is_err_and(HsmError::is_of_session) {
            self.idle().push(link);
        }
        done
    }

    /// Begins the module anew, every so often at most; `failed` is why.
    fn anew(&self, failed: HsmError) -> Result<(), HsmError> {
        let _alone = self.calls.write().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.instant();
        let mut door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        let early = |at: Instant| now.saturating_duration_since(at) < PAUSE;
        if door.barred || door.anew_at.is_some_and(early) {
            return Err(failed);
        }
        door.anew_at = Some(now);
        drop(std::mem::take(&mut *self.idle()));
        tracing::warn!(error = &failed as &dyn std::error::Error, "beginning with the device anew");
        self.module.anew()
    }

    fn link(&self) -> Result<Link, HsmError> {
        let mut door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        if door.barred {
            return Err(HsmError::Pin);
        }
        let link = self.module.link();
        door.barred = matches!(link, Err(HsmError::Pin));
        link
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Link>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
