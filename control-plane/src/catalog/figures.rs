//! Which numbers tell how the store is doing?

use chassis::Metrics;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

/// Figures of the store; cheap to clone.
#[derive(Clone, Debug)]
pub struct Figures {
    answers: Gauge,
    loads: Counter,
}

impl Figures {
    /// Registers them.
    pub fn new(metrics: &Metrics) -> Self {
        let figures = Self { answers: Gauge::default(), loads: Counter::default() };
        metrics.register(|to| {
            let help = "1 while the store answers, as its watch sees it";
            to.register("store_answers", help, figures.answers.clone());
            let help = "How often all resources were listed; more than once: history was gone";
            to.register("store_loads", help, figures.loads.clone());
        });
        figures
    }

    pub(super) fn answers(&self, answers: bool) {
        self.answers.set(i64::from(answers));
    }

    pub(super) fn loaded(&self) {
        self.loads.inc();
        self.answers(true);
    }
}
