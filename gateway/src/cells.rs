//! What has one worker done so far?
//!
//! Each worker writes its own cells, without a lock and without an atomic read-modify-write; a
//! scrape, on another thread, adds the workers up.

use std::collections::BTreeMap;
use std::fmt::Error;
use std::sync::Arc;

use prometheus_client::collector::Collector as Scraped;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::cell::Cell;
use crate::compared::Compared;
use crate::latencies::Latencies;

/// Upper bounds of the latency buckets in microseconds; the last bucket has none.
const BOUNDS_US: [u64; 16] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 30_000_000,
];

/// Spans of time, by size.
#[derive(Debug, Default)]
pub struct Spans {
    buckets: [Cell; BOUNDS_US.len()],
    longer: Cell,
    sum_us: Cell,
}

impl Spans {
    /// Counts one span.
    pub fn add(&self, span_us: u64) {
        let fits = BOUNDS_US.iter().zip(&self.buckets).find(|(bound, _)| span_us <= **bound);
        fits.map_or(&self.longer, |(_, bucket)| bucket).add(1);
        self.sum_us.add(span_us);
    }
}

/// Why calls ended with an answer of the gateway's own, for counting.
#[derive(Debug, Default)]
pub struct Faults {
    /// Refused for who called.
    pub auth: Cell,
    /// Refused for how often.
    pub throttled: Cell,
    /// The backend could not be had.
    pub target: Cell,
    /// Anything else.
    pub other: Cell,
}

/// What became of calls to operations whose answers are kept.
#[derive(Debug, Default)]
pub struct Cached {
    /// Answered from the cache, fresh.
    pub hit: Cell,
    /// Answered from the cache, stale.
    pub stale: Cell,
    /// Answered from the cache after the backend said that it still holds.
    pub confirmed: Cell,
    /// Answered with what another call brought.
    pub collapsed: Cell,
    /// Answered by the backend.
    pub miss: Cell,
    /// Answered by the backend, because the cache cannot answer such a call.
    pub bypass: Cell,
}

/// What those said who decide about calls outside.
#[derive(Debug, Default)]
pub struct Decisions {
    /// The call may be made.
    pub permitted: Cell,
    /// It may not.
    pub denied: Cell,
    /// There was no decision, and the call was refused.
    pub failed: Cell,
    /// There was no decision, and the call was made all the same.
    pub let_pass: Cell,
    /// How long they took, those that failed included.
    pub took: Spans,
}

/// What became of copies of calls.
#[derive(Debug, Default)]
pub struct Copied {
    /// On their way to a mirror now.
    pub under_way: Cell,
    /// The mirror took it and gave an answer to its end, whatever it was.
    pub answered: Cell,
    /// The mirror could not be had, or did not answer in time or to the end.
    pub failed: Cell,
    /// Not sent: too many were under way, or the worker had too much to do.
    pub dropped: Cell,
    /// Not sent: the body is longer than what is copied.
    pub too_long: Cell,
    /// Not sent: the body broke off, or its backend wanted no more of it.
    pub incomplete: Cell,
}

/// Messages that were too long, each the end of its socket.
#[derive(Debug, Default)]
pub struct TooLong {
    /// A client's.
    pub client: Cell,
    /// A backend's.
    pub backend: Cell,
}

/// The numbers of one worker.
#[derive(Debug, Default)]
pub struct Cells {
    /// Calls that ended, by the first digit of the status; `[0]`: the client left before.
    pub calls: [Cell; 6],
    /// Calls that a fault ended.
    pub faults: Faults,
    /// Calls that the cache was asked about.
    pub cache: Cached,
    /// Calls that were decided about outside.
    pub decisions: Decisions,
    /// Calls that were to be copied to a mirror.
    pub copies: Copied,
    /// Messages that were too long.
    pub too_long: TooLong,
    /// Calls by how long they took.
    pub total: Spans,
    /// The same in small steps, to compare gateways.
    pub latencies: Latencies,
    /// Calls of the APIs that gateways are compared by just now.
    pub compared: Compared,
    /// Calls that reached a backend, by how long that took.
    pub backend: Spans,
    /// Client connections that are open.
    pub connections: Cell,
    /// Client connections that were accepted.
    pub accepted: Cell,
    /// Client connections that were closed at once, for want of room.
    pub turned_away: Cell,
    /// Client connections that were closed because their client had too many.
    pub crowded: Cell,
    /// Client connections that did not begin with the PROXY header that was due, or came from
    /// somebody who may not send one.
    pub unproxied: Cell,
    /// Calls that were let go of for want of time or memory.
    pub shed: Cell,
    /// Calls that limits which are only tried would have refused.
    pub shadow: Cell,
    /// Calls that had begun to be answered and were ended for want of a right.
    pub ended: Cell,
    /// TLS handshakes that failed.
    pub handshakes_failed: Cell,
    /// HTTP/2 connections that were ended for the frames that they sent.
    pub calmed: Cell,
    /// Backend connections that are open.
    pub backend_connections: Cell,
    /// Backend connections that were opened.
    pub dialled: Cell,
    /// Exchanges on a connection that was used before.
    pub reused: Cell,
    /// Requests that were sent again because a used connection had died.
    pub retried: Cell,
    /// Further tries of calls whose server failed.
    pub tried_again: Cell,
    /// Calls that were not tried again because too many others were.
    pub budgets_empty: Cell,
    /// Times that a server was taken out for failing calls.
    pub ejected: Cell,
    /// Times that a breaker opened.
    pub breakers_opened: Cell,
    /// Calls that an open breaker stopped.
    pub suspended: Cell,
    /// Calls that found their endpoint full.
    pub bulkheads_full: Cell,
    /// Tokens that were in the cache.
    pub tokens_known: Cell,
    /// Tokens that had to be verified.
    pub tokens_verified: Cell,
    /// JWTs for backends that were signed.
    pub jwts_signed: Cell,
    /// Calls whose backend got a JWT that was signed before.
    pub jwts_kept: Cell,
}

/// The cells of all workers, for the registry.
#[derive(Clone, Debug)]
pub struct Collector(Arc<[Arc<Cells>]>);

/// How calls were since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Calls that were answered.
    pub calls: u64,
    /// Those that were answered 5xx.
    pub server_errors: u64,
    /// Up to how many microseconds how many calls took, those without an answer among them; in
    /// order, without spans that have no call.
    pub spans: Vec<(u64, u64)>,
    /// The same of the APIs that are compared, by what they are called.
    pub apis: BTreeMap<String, Vitals>,
}

impl Collector {
    /// Adds up `workers`.
    pub fn new(workers: impl IntoIterator<Item = Arc<Cells>>) -> Self {
        Self(workers.into_iter().collect())
    }

    /// How calls were so far.
    pub fn vitals(&self) -> Vitals {
        let of = |digit: usize| -> u64 {
            self.0.iter().filter_map(|worker| worker.calls.get(digit)).map(Cell::get).sum()
        };
        let mut spans: Vec<(u64, u64)> = Vec::new();
        for (place, worker) in self.0.iter().enumerate() {
            if place == 0 {
                spans.extend(worker.latencies.spans());
            } else {
                let more = worker.latencies.spans();
                spans.iter_mut().zip(more).for_each(|(all, (_, calls))| all.1 += calls);
            }
        }
        spans.retain(|(_, calls)| *calls > 0);
        let (calls, server_errors, apis) = ((1..=5).map(of).sum(), of(5), self.compared());
        Vitals { calls, server_errors, spans, apis }
    }

    /// Tells these APIs apart from now on, and no others.
    pub fn compare(&self, apis: &[String]) {
        self.0.iter().for_each(|worker| worker.compared.these(apis));
    }

    fn compared(&self) -> BTreeMap<String, Vitals> {
        let mut all: BTreeMap<String, Vitals> = BTreeMap::new();
        for worker in &*self.0 {
            worker.compared.each(|api, calls, server_errors, spans| {
                let vitals = all.entry(api.to_owned()).or_default();
                vitals.calls += calls;
                vitals.server_errors += server_errors;
                if vitals.spans.is_empty() {
                    vitals.spans.extend(spans);
                } else {
                    vitals.spans.iter_mut().zip(spans).for_each(|(all, (_, more))| all.1 += more);
                }
            });
        }
        for vitals in all.values_mut() {
            vitals.spans.retain(|(_, calls)| *calls > 0);
        }
        all
    }

    fn sum(&self, cell: impl Fn(&Cells) -> &Cell) -> u64 {
        self.0.iter().map(|worker| cell(worker).get()).sum()
    }

    fn calls(&self, out: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut calls = out.encode_descriptor(
            "gateway_calls",
            "Calls that ended, by class of the status that the client got",
            None,
            MetricType::Counter,
        )?;
        for (digit, class) in ["left", "1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().enumerate() {
            let number: u64 =
                self.0.iter().filter_map(|worker| worker.calls.get(digit)).map(Cell::get).sum();
            let labels = [("class", class)];
            ConstCounter::new(number).encode(calls.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn faults(&self, out: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut faults = out.encode_descriptor(
            "gateway_faults",
            "Calls that the gateway answered itself, by class of the fault",
            None,
            MetricType::Counter,
        )?;
        for (class, number) in [
            ("AUTH", self.sum(|cells| &cells.faults.auth)),
            ("THROTTLED", self.sum(|cells| &cells.faults.throttled)),
            ("TARGET_CONNECTIVITY", self.sum(|cells| &cells.faults.target)),
            ("OTHER", self.sum(|cells| &cells.faults.other)),
        ] {
            let labels = [("type", class)];
            ConstCounter::new(number).encode(faults.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn cached(&self, out: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut calls = out.encode_descriptor(
            "gateway_cache_calls",
            "Calls to operations whose answers are kept, by where the answer came from",
            None,
            MetricType::Counter,
        )?;
        for (result, number) in [
            ("hit", self.sum(|cells| &cells.cache.hit)),
            ("stale", self.sum(|cells| &cells.cache.stale)),
            ("confirmed", self.sum(|cells| &cells.cache.confirmed)),
            ("collapsed", self.sum(|cells| &cells.cache.collapsed)),
            ("miss", self.sum(|cells| &cells.cache.miss)),
            ("bypass", self.sum(|cells| &cells.cache.bypass)),
        ] {
            let labels = [("result", result)];
            ConstCounter::new(number).encode(calls.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn decided(&self, out: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut decisions = out.encode_descriptor(
            "gateway_external_decisions",
            "Questions to decision points outside, by what came of them",
            None,
            MetricType::Counter,
        )?;
        for (result, number) in [
            ("permitted", self.sum(|cells| &cells.decisions.permitted)),
            ("denied", self.sum(|cells| &cells.decisions.denied)),
            ("failed", self.sum(|cells| &cells.decisions.failed)),
            ("let_pass", self.sum(|cells| &cells.decisions.let_pass)),
        ] {
            let labels = [("result", result)];
            ConstCounter::new(number).encode(decisions.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn copied(&self, out: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut copies = out.encode_descriptor(
            "gateway_mirror_copies",
            "Copies of calls for mirrors, by what became of them",
            None,
            MetricType::Counter,
        )?;
        for (result, number) in [
            ("answered", self.sum(|cells| &cells.copies.answered)),
            ("failed", self.sum(|cells| &cells.copies.failed)),
            ("dropped", self.sum(|cells| &cells.copies.dropped)),
            ("too_long", self.sum(|cells| &cells.copies.too_long)),
            ("incomplete", self.sum(|cells| &cells.copies.incomplete)),
        ] {
            let labels = [("result", result)];
            ConstCounter::new(number).encode(copies.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn too_long(&self, out: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut sockets = out.encode_descriptor(
            "gateway_websocket_messages_too_long",
            "WebSockets ended for a message that was too long, by who sent it",
            None,
            MetricType::Counter,
        )?;
        for (from, number) in [
            ("client", self.sum(|cells| &cells.too_long.client)),
            ("backend", self.sum(|cells| &cells.too_long.backend)),
        ] {
            let labels = [("from", from)];
            ConstCounter::new(number).encode(sockets.encode_family(&labels)?)?;
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "seconds are shown, not summed up again")]
    fn spans(
        &self,
        out: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        of: impl Fn(&Cells) -> &Spans,
    ) -> Result<(), Error> {
        let sum = |cell: &dyn Fn(&Spans) -> u64| -> u64 {
            self.0.iter().map(|worker| cell(of(worker))).sum()
        };
        let mut buckets: Vec<(f64, u64)> = BOUNDS_US
            .iter()
            .enumerate()
            .map(|(place, bound)| {
                let number = sum(&|spans| spans.buckets.get(place).map_or(0, Cell::get));
                (*bound as f64 / 1e6, number)
            })
            .collect();
        buckets.push((f64::INFINITY, sum(&|spans| spans.longer.get())));
        let count = buckets.iter().map(|(_, number)| number).sum();
        let total = sum(&|spans| spans.sum_us.get()) as f64 / 1e6;
        let seconds = prometheus_client::registry::Unit::Seconds;
        out.encode_descriptor(name, help, Some(&seconds), MetricType::Histogram)?
            .encode_histogram::<prometheus_client::encoding::NoLabelSet>(
            total, count, &buckets, None,
        )
    }
}

impl Scraped for Collector {
    fn encode(&self, mut out: DescriptorEncoder<'_>) -> Result<(), Error> {
        self.calls(&mut out)?;
        self.faults(&mut out)?;
        self.cached(&mut out)?;
        self.decided(&mut out)?;
        self.copied(&mut out)?;
        self.too_long(&mut out)?;
        let help = "How long calls took, first byte in to last byte out";
        self.spans(&mut out, "gateway_call_duration", help, |cells| &cells.total)?;
        let help = "How long the backend's part of calls took";
        self.spans(&mut out, "gateway_backend_duration", help, |cells| &cells.backend)?;
        let help = "How long decision points outside took";
        let name = "gateway_external_decision_duration";
        self.spans(&mut out, name, help, |cells| &cells.decisions.took)?;
        for (name, help, number) in [
            (
                "gateway_connections_accepted",
                "Client connections accepted",
                self.sum(|c| &c.accepted),
            ),
            (
                "gateway_connections_turned_away",
                "Client connections closed at once for want of room",
                self.sum(|c| &c.turned_away),
            ),
            (
                "gateway_connections_crowded",
                "Client connections closed because their client had too many",
                self.sum(|c| &c.crowded),
            ),
            (
                "gateway_connections_unproxied",
                "Client connections closed for want of a PROXY header of a trusted proxy",
                self.sum(|c| &c.unproxied),
            ),
            (
                "gateway_calls_shed",
                "Calls answered 503 because there was more to do than could be done",
                self.sum(|c| &c.shed),
            ),
            (
                "gateway_shadow_refusals",
                "Calls that passed and would have been refused by a limit that is only tried",
                self.sum(|c| &c.shadow),
            ),
            (
                "gateway_calls_ended",
                "Calls that were broken off because they would not be let in any more",
                self.sum(|c| &c.ended),
            ),
            (
                "gateway_tls_handshakes_failed",
                "TLS handshakes of clients that failed",
                self.sum(|c| &c.handshakes_failed),
            ),
            (
                "gateway_http2_calmed",
                "HTTP/2 connections ended for floods of frames",
                self.sum(|c| &c.calmed),
            ),
            ("gateway_backend_dialled", "Backend connections opened", self.sum(|c| &c.dialled)),
            (
                "gateway_backend_reused",
                "Exchanges on a backend connection that was used before",
                self.sum(|c| &c.reused),
            ),
            (
                "gateway_backend_retried",
                "Requests sent again because a used connection had died",
                self.sum(|c| &c.retried),
            ),
            (
                "gateway_backend_tried_again",
                "Further tries of calls whose server failed",
                self.sum(|c| &c.tried_again),
            ),
            (
                "gateway_backend_retry_budget_empty",
                "Calls not tried again because too many others were",
                self.sum(|c| &c.budgets_empty),
            ),
            (
                "gateway_backend_ejected",
                "Times a server was taken out for failing calls",
                self.sum(|c| &c.ejected),
            ),
            (
                "gateway_backend_breaker_opened",
                "Times the breaker of an endpoint opened",
                self.sum(|c| &c.breakers_opened),
            ),
            (
                "gateway_backend_suspended",
                "Calls stopped by an open breaker",
                self.sum(|c| &c.suspended),
            ),
            (
                "gateway_backend_bulkhead_full",
                "Calls that found their endpoint full",
                self.sum(|c| &c.bulkheads_full),
            ),
            ("gateway_tokens_known", "Tokens found in the cache", self.sum(|c| &c.tokens_known)),
            ("gateway_tokens_verified", "Tokens verified", self.sum(|c| &c.tokens_verified)),
            (
                "gateway_backend_jwts_signed",
                "JWTs for backends that were signed",
                self.sum(|c| &c.jwts_signed),
            ),
            (
                "gateway_backend_jwts_kept",
                "Calls whose backend got a JWT that was signed before",
                self.sum(|c| &c.jwts_kept),
            ),
        ] {
            let counter = ConstCounter::new(number);
            counter.encode(out.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        for (name, help, number) in [
            ("gateway_connections", "Client connections open", self.sum(|c| &c.connections)),
            (
                "gateway_backend_connections",
                "Backend connections open",
                self.sum(|c| &c.backend_connections),
            ),
            (
                "gateway_mirror_under_way",
                "Copies of calls on their way to mirrors",
                self.sum(|c| &c.copies.under_way),
            ),
        ] {
            let gauge = ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));
            gauge.encode(out.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    /// Lets two workers do `work` once each and looks for `line` in the scrape.
    #[track_caller]
    fn check(work: impl Fn(&Cells), line: &str) {
        let workers = [Arc::new(Cells::default()), Arc::new(Cells::default())];
        for cells in &workers {
            work(cells);
        }
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Collector::new(workers)));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        assert!(text.lines().any(|shown| shown == line), "no line {line} in\n{text}");
    }

    #[test]
    fn the_numbers_of_all_workers_are_added_up() {
        check(|cells| cells.calls[2].add(2), r#"gateway_calls_total{class="2xx"} 4"#);
        check(|cells| cells.faults.auth.add(1), r#"gateway_faults_total{type="AUTH"} 2"#);
    }

    #[test]
    fn how_calls_were_is_added_up_over_workers() {
        let workers = [Arc::new(Cells::default()), Arc::new(Cells::default())];
        for cells in &workers {
            cells.calls[2].add(3);
            cells.calls[5].add(1);
            cells.calls[0].add(7);
            cells.latencies.add(1000);
        }
        let vitals = Collector::new(workers).vitals();
        let (spans, apis) = (vec![(1023, 2)], BTreeMap::new());
        assert_eq!(vitals, Vitals { calls: 8, server_errors: 2, spans, apis });
    }

    #[test]
    fn what_is_open_now_goes_down_again() {
        let work = |cells: &Cells| {
            cells.connections.add(3);
            cells.connections.sub(1);
        };
        check(work, "gateway_connections 4");
    }

    #[test]
    fn a_span_is_counted_in_the_buckets_that_hold_it() {
        let line = |le: &str, number: u32| {
            format!(r#"gateway_call_duration_seconds_bucket{{le="{le}"}} {number}"#)
        };
        check(|cells| cells.total.add(250), &line("0.00025", 2));
        check(|cells| cells.total.add(251), &line("0.00025", 0));
        check(|cells| cells.total.add(251), &line("0.0005", 2));
        check(|cells| cells.total.add(u64::from(u32::MAX)), &line("+Inf", 2));
        check(|cells| cells.total.add(1_500_000), "gateway_call_duration_seconds_sum 3.0");
    }
}
