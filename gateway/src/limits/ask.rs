//! What is asked of an authority, and on which way does it go?

use std::sync::Arc;

use throttle::{Back, Cost, Full, Granted, Hold, Meter, Wanted};
use tokio::sync::{mpsc, oneshot};

/// A question about a meter. Dropped without an answer, it has failed: nobody waits for longer.
#[derive(Debug)]
pub struct Ask {
    /// The meter; it has a name.
    pub meter: Arc<Meter>,
    /// What is asked.
    pub question: Question,
    /// When, in microseconds since the Unix epoch, by this gateway's clock.
    pub asked_us: u64,
    /// Where the call waits that is asked about.
    tell: Option<oneshot::Sender<Ruled>>,
    answered: bool,
}

/// What is said about one call.
pub type Ruled = Result<Hold, Full>;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Units of one limit, ahead of the calls that will use them.
    Portion {
        /// Which of the meter's limits.
        index: usize,
        /// How many.
        wanted: Wanted,
    },
    /// What one call takes of all the meter's limits, or of none.
    Call {
        /// What it costs.
        cost: Cost,
    },
    /// The limits are split, and the first call came: which part is this gateway's is to be told from now
    /// on.
    Join,
}

impl Ask {
    /// Units of the limit at `index`.
    pub const fn portion(meter: Arc<Meter>, index: usize, wanted: Wanted, asked_us: u64) -> Self {
        let question = Question::Portion { index, wanted };
        Self { meter, question, asked_us, tell: None, answered: false }
    }

    /// What one call takes, and where the answer arrives.
    pub fn call(meter: Arc<Meter>, cost: Cost, asked_us: u64) -> (Self, oneshot::Receiver<Ruled>) {
        let (tell, ruled) = oneshot::channel();
        let question = Question::Call { cost };
        (Self { meter, question, asked_us, tell: Some(tell), answered: false }, ruled)
    }

    /// The answer to a call. One that comes too late gives its room back.
    pub fn rule(&mut self, ruled: Ruled) {
        self.answered = true;
        if let Some(tell) = self.tell.take() {
            let _ = tell.send(ruled);
        }
    }

    /// The meter's limits are split.
    pub const fn join(meter: Arc<Meter>, asked_us: u64) -> Self {
        Self { meter, question: Question::Join, asked_us, tell: None, answered: false }
    }

    /// Who divides the limits knows of the meter now.
    pub fn joined(mut self) -> Arc<Meter> {
        self.answered = true;
        Arc::clone(&self.meter)
    }

    /// The answer about the limit at `index`, which is the one that was asked about. What comes back has
    /// to be put back at the authority.
    pub fn answer(&mut self, index: usize, now_us: u64, granted: Granted) -> Option<Back> {
        self.answered = true;
        self.meter.granted(index, self.asked_us, now_us, granted)
    }
}

impl Drop for Ask {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        match self.question {
            Question::Portion { index, wanted } => self.meter.failed(index, wanted),
            // Who waits for the ruling about a call sees that its sender is gone.
            Question::Call { .. } => {}
            Question::Join => self.meter.leaves(),
        }
    }
}

/// The way to an authority; closed where there is none.
#[derive(Clone, Debug, Default)]
pub struct Lane(Option<mpsc::Sender<Ask>>);

impl Lane {
    /// Nobody is there: every question fails.
    pub const fn off() -> Self {
        Self(None)
    }

    /// A way on which at most `room` questions wait, and its far end.
    pub fn open(room: usize) -> (Self, mpsc::Receiver<Ask>) {
        let (sender, asks) = mpsc::channel(room);
        (Self(Some(sender)), asks)
    }

    /// Whether nobody is there.
    pub const fn is_off(&self) -> bool {
        self.0.is_none()
    }

    /// Asks. A full way is as good as none.
    pub fn put(&self, ask: Ask) {
        if let Some(sender) = &self.0 {
            // What is refused is dropped, and has failed.
            let _ = sender.try_send(ask);
        }
    }
}
