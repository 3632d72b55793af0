//! What does the collector count about itself?

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::store::Losses;

/// Why a single event was not stored.
#[derive(Clone, Debug, Hash, PartialEq, Eq, prometheus_client::encoding::EncodeLabelSet)]
pub struct Reason {
    /// `too_old`, `in_the_future`.
    pub reason: &'static str,
}

/// A way on which alerts are sent.
#[derive(Clone, Debug, Hash, PartialEq, Eq, prometheus_client::encoding::EncodeLabelSet)]
pub struct Channel {
    /// Its name.
    pub channel: String,
}

/// What is done with stored calls without being asked for.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, prometheus_client::encoding::EncodeLabelSet)]
pub struct Chore {
    what: &'static str,
}

impl Chore {
    /// Calls that are too old to be kept one by one are counted.
    pub const ROLLUP: Self = Self { what: "rollup" };
    /// Small segments become large ones.
    pub const MERGE: Self = Self { what: "merge" };
    /// What is older than anything is kept goes.
    pub const RETENTION: Self = Self { what: "retention" };
    const ALL: [Self; 3] = [Self::ROLLUP, Self::MERGE, Self::RETENTION];
}

/// All counts; cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Events stored.
    pub events: Counter,
    /// Events not stored, by reason.
    pub refused: Family<Reason, Counter>,
    /// Fields cut to their bound.
    pub cut: Counter,
    /// Batches stored.
    pub batches: Counter,
    /// Batches that were stored before.
    pub repeated: Counter,
    /// Batches that sources left out.
    pub left_out: Counter,
    /// Events that sources had to drop, as they say.
    pub dropped_by_source: Counter,
    /// Batches refused as malformed.
    pub malformed: Counter,
    /// Streams of batches open.
    pub streams: Gauge,
    /// Time to make a group durable.
    pub commit_seconds: Histogram,
    /// Groups that could not be made durable.
    pub commit_failures: Counter,
    /// Rows that are not in a segment yet.
    pub rows_in_memory: Gauge,
    /// Segments in force.
    pub segments: Gauge,
    /// Rows in segments.
    pub rows_in_segments: Gauge,
    /// Time to write a segment.
    pub flush_seconds: Histogram,
    /// Flushes that failed.
    pub flush_failures: Counter,
    /// Rows handed on to another engine.
    pub shipped: Counter,
    /// Times when that was not possible.
    pub ship_failures: Counter,
    /// Segments merged into others.
    pub merged: Counter,
    /// Rows forgotten because of their age.
    pub forgotten: Counter,
    /// Tries of a chore that failed.
    pub chore_failures: Family<Chore, Counter>,
    /// How many tries of a chore in a row have failed; 0: the last one did not.
    pub chores_failing: Family<Chore, Gauge>,
    /// Time of queries.
    pub query_seconds: Histogram,
    /// Queries that failed.
    pub query_failures: Counter,
    /// Alerts raised.
    pub alerts: Counter,
    /// Calls that no alert looked at, because there were too many.
    pub unwatched: Counter,
    /// Alerts that a channel did not deliver, by channel.
    pub undelivered: Family<Channel, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.000_5, 2.0, 16));
        Self {
            events: Counter::default(),
            refused: Family::default(),
            cut: Counter::default(),
            batches: Counter::default(),
            repeated: Counter::default(),
            left_out: Counter::default(),
            dropped_by_source: Counter::default(),
            malformed: Counter::default(),
            streams: Gauge::default(),
            commit_seconds: seconds(),
            commit_failures: Counter::default(),
            rows_in_memory: Gauge::default(),
            segments: Gauge::default(),
            rows_in_segments: Gauge::default(),
            flush_seconds: seconds(),
            flush_failures: Counter::default(),
            shipped: Counter::default(),
            ship_failures: Counter::default(),
            merged: Counter::default(),
            forgotten: Counter::default(),
            chore_failures: Family::default(),
            chores_failing: Family::default(),
            query_seconds: seconds(),
            query_failures: Counter::default(),
            alerts: Counter::default(),
            unwatched: Counter::default(),
            undelivered: Family::default(),
        }
    }
}

impl Metrics {
    /// A batch is stored.
    pub fn stored(&self, events: u64, left_out: u64, losses: Losses) {
        self.batches.inc();
        self.events.inc_by(events);
        self.left_out.inc_by(left_out);
        self.dropped_by_source.inc_by(losses.dropped_by_source);
        self.cut.inc_by(losses.cut);
        for (reason, count) in
            [("too_old", losses.too_old), ("in_the_future", losses.in_the_future)]
        {
            if count > 0 {
                self.refused.get_or_create(&Reason { reason }).inc_by(count);
            }
        }
    }

    /// A chore was tried.
    pub fn tried(&self, chore: Chore, has_failed: bool) {
        let failing = self.chores_failing.get_or_create(&chore);
        if has_failed {
            failing.inc();
            self.chore_failures.get_or_create(&chore).inc();
        } else {
            failing.set(0);
        }
    }

    /// Puts all counts where they are scraped.
    pub fn register(&self, registry: &mut Registry) {
        for chore in Chore::ALL {
            // Seen before anything has failed: whoever watches it has to know its name.
            self.chore_failures.get_or_create(&chore).inc_by(0);
            self.chores_failing.get_or_create(&chore).inc_by(0);
        }
        let all = registry.sub_registry_with_prefix("collector");
        all.register("events", "Events stored", self.events.clone());
        all.register("events_refused", "Events not stored, by reason", self.refused.clone());
        all.register("fields_cut", "Fields of events cut to their bound", self.cut.clone());
        all.register("batches", "Batches stored", self.batches.clone());
        all.register("batches_repeated", "Batches that were stored before", self.repeated.clone());
        all.register("batches_left_out", "Batches that sources left out", self.left_out.clone());
        all.register(
            "events_dropped_by_source",
            "Events that sources had to drop because their spool was full",
            self.dropped_by_source.clone(),
        );
        all.register("batches_malformed", "Batches refused as malformed", self.malformed.clone());
        all.register("streams", "Streams of batches open", self.streams.clone());
        let timed = |all: &mut Registry, name: &str, help: &str, histogram: &Histogram| {
            all.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        };
        timed(all, "commit", "Time to make a group of batches durable", &self.commit_seconds);
        timed(all, "flush", "Time to write rows as a segment", &self.flush_seconds);
        timed(all, "query", "Time of queries", &self.query_seconds);
        all.register("commit_failures", "Groups not made durable", self.commit_failures.clone());
        all.register("flush_failures", "Flushes that failed", self.flush_failures.clone());
        all.register("query_failures", "Queries that failed", self.query_failures.clone());
        all.register("rows_in_memory", "Rows not in a segment yet", self.rows_in_memory.clone());
        all.register("segments", "Segments in force", self.segments.clone());
        all.register("rows_in_segments", "Rows in segments", self.rows_in_segments.clone());
        all.register("rows_handed_on", "Rows that a ClickHouse has", self.shipped.clone());
        all.register(
            "hand_on_failures",
            "Times when a ClickHouse did not take rows",
            self.ship_failures.clone(),
        );
        all.register("segments_merged", "Segments merged into others", self.merged.clone());
        all.register("rows_forgotten", "Rows removed by the retention", self.forgotten.clone());
        all.register(
            "upkeep_failures",
            "Rollups, merges and removals that failed, by what",
            self.chore_failures.clone(),
        );
        all.register(
            "upkeep_failing",
            "Tries in a row that failed, by what; 0: the last one did not",
            self.chores_failing.clone(),
        );
        all.register("alerts", "Alerts raised", self.alerts.clone());
        all.register(
            "calls_unwatched",
            "Calls that no alert looked at, because there were too many",
            self.unwatched.clone(),
        );
        all.register(
            "alerts_undelivered",
            "Alerts that a channel could not deliver, by channel",
            self.undelivered.clone(),
        );
    }
}
