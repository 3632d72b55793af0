//! What are the lines of `/metrics` in the words of OTLP?
//!
//! Our own `OpenMetrics` text is read, so that both tell the same under the same names. Counts are
//! cumulative since the process began.

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum,
};

/// From when on was counted, and when: nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) began_ns: u64,
    pub(super) now_ns: u64,
}

/// In a request: some hundred kilobytes, where receivers take 4 MiB.
const POINTS: usize = 1_000;

/// All metrics of a text, in its order, in parts of at most [`POINTS`] points.
pub(super) fn translate(text: &str, times: Times) -> Vec<Vec<Metric>> {
    let mut parts: Vec<Vec<Metric>> = Vec::new();
    let mut room = 0;
    for family in families(text, times) {
        let points = family.points();
        let Some(metric) = family.metric() else { continue };
        match parts.last_mut() {
            Some(part) if points <= room => part.push(metric),
            _ => {
                parts.push(vec![metric]);
                room = POINTS;
            }
        }
        room = room.saturating_sub(points);
    }
    parts
}

/// A family with many points comes in several pieces.
fn families(text: &str, times: Times) -> Vec<Family<'_>> {
    let mut found: Vec<Family<'_>> = Vec::new();
    for line in text.lines() {
        if let Some(said) = line.strip_prefix("# ") {
            let mut words = said.splitn(3, ' ');
            let (Some(what), Some(name)) = (words.next(), words.next()) else { continue };
            let rest = words.next().unwrap_or_default();
            match (what, found.last_mut()) {
                ("HELP", _) => found.push(Family { name, help: rest, ..Family::default() }),
                ("TYPE", Some(family)) if family.name == name => family.kind = rest,
                ("UNIT", Some(family)) if family.name == name => family.unit = rest,
                _ => {}
            }
        } else if let (Some(sample), Some(family)) = (Sample::read(line), found.last_mut()) {
            let more = family.add(sample, times);
            found.extend(more);
        }
    }
    found
}

/// A metric with its points.
#[derive(Debug, Default)]
struct Family<'t> {
    name: &'t str,
    help: &'t str,
    kind: &'t str,
    unit: &'t str,
    numbers: Vec<NumberDataPoint>,
    distributions: Vec<Distribution>,
}

impl Family<'_> {
    /// What has no room any more is the first of another piece.
    fn add(&mut self, mut sample: Sample<'_>, times: Times) -> Option<Self> {
        let suffix = sample.name.strip_prefix(self.name)?;
        if self.kind == "histogram" {
            let bound = sample.take_label("le");
            if let Some(last) = self.distributions.last_mut()
                && last.point.attributes == sample.labels
            {
                last.add(suffix, bound.as_deref(), sample.value);
                return None;
            }
            let mut point = Distribution::new(sample.labels, times);
            point.add(suffix, bound.as_deref(), sample.value);
            return self.with_room(|piece| piece.distributions.push(point));
        }
        let wanted = if self.kind == "counter" { "_total" } else { "" };
        if suffix != wanted {
            return None;
        }
        let point = NumberDataPoint {
            attributes: sample.labels,
            start_time_unix_nano: times.began_ns,
            time_unix_nano: times.now_ns,
            value: Some(number(sample.value)),
            ..NumberDataPoint::default()
        };
        self.with_room(|piece| piece.numbers.push(point))
    }

    fn with_room(&mut self, push: impl FnOnce(&mut Self)) -> Option<Self> {
        if self.points() < POINTS {
            push(self);
            return None;
        }
        let Self { name, help, kind, unit, .. } = *self;
        let mut piece = Self { name, help, kind, unit, ..Self::default() };
        push(&mut piece);
        Some(piece)
    }

    fn points(&self) -> usize {
        self.numbers.len() + self.distributions.len()
    }

    fn metric(self) -> Option<Metric> {
        let aggregation_temporality = AggregationTemporality::Cumulative.into();
        let data = match self.kind {
            "histogram" => Data::Histogram(Histogram {
                data_points: self.distributions.into_iter().map(|one| one.point).collect(),
                aggregation_temporality,
            }),
            "counter" => Data::Sum(Sum {
                data_points: self.numbers,
                aggregation_temporality,
                is_monotonic: true,
            }),
            _ => Data::Gauge(Gauge { data_points: self.numbers }),
        };
        let some = match &data {
            Data::Histogram(Histogram { data_points, .. }) => !data_points.is_empty(),
            Data::Sum(Sum { data_points, .. }) | Data::Gauge(Gauge { data_points }) => {
                !data_points.is_empty()
            }
            _ => false,
        };
        let unit = match self.unit {
            "seconds" => "s",
            "bytes" => "By",
            other => other,
        };
        some.then(|| Metric {
            name: self.name.to_owned(),
            description: self.help.to_owned(),
            unit: unit.to_owned(),
            metadata: Vec::new(),
            data: Some(data),
        })
    }
}

/// What was measured, by how much it was.
#[derive(Debug)]
struct Distribution {
    point: HistogramDataPoint,
    /// How many were not above the last bound.
    before: u64,
}

impl Distribution {
    fn new(attributes: Vec<KeyValue>, times: Times) -> Self {
        let point = HistogramDataPoint {
            attributes,
            start_time_unix_nano: times.began_ns,
            time_unix_nano: times.now_ns,
            ..HistogramDataPoint::default()
        };
        Self { point, before: 0 }
    }

    /// Buckets say how many are not above their bound; in OTLP each has its own.
    fn add(&mut self, suffix: &str, bound: Option<&str>, value: &str) {
        let Self { point, before } = self;
        let count = value.parse().unwrap_or_default();
        match suffix {
            "_sum" => point.sum = value.parse().ok(),
            "_count" => point.count = count,
            "_bucket" => {
                point.bucket_counts.push(count.saturating_sub(*before));
                *before = count;
                // The last one has no bound.
                let bound = bound.and_then(|bound| bound.parse::<f64>().ok());
                point.explicit_bounds.extend(bound.filter(|bound| bound.is_finite()));
            }
            _ => {}
        }
    }
}

/// A line with a value.
struct Sample<'t> {
    name: &'t str,
    labels: Vec<KeyValue>,
    value: &'t str,
}

impl<'t> Sample<'t> {
    fn read(line: &'t str) -> Option<Self> {
        let end = line.find(['{', ' '])?;
        let (name, mut rest) = line.split_at_checked(end)?;
        let mut labels = Vec::new();
        if let Some(listed) = rest.strip_prefix('{') {
            rest = listed;
            while !rest.starts_with('}') {
                let (label, after) = label(rest)?;
                labels.push(label);
                rest = after.strip_prefix(',').unwrap_or(after);
            }
            rest = rest.strip_prefix('}')?;
        }
        // What stands behind the value is an exemplar.
        Some(Self { name, labels, value: rest.split_whitespace().next()? })
    }

    fn take_label(&mut self, key: &str) -> Option<String> {
        let at = self.labels.iter().position(|label| label.key == key)?;
        match self.labels.remove(at).value?.value? {
            any_value::Value::StringValue(text) => Some(text),
            _ => None,
        }
    }
}

/// The first `key="value"`, and what stands behind it.
fn label(text: &str) -> Option<(KeyValue, &str)> {
    let (key, rest) = text.split_once("=\"")?;
    let mut value = String::new();
    let mut characters = rest.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((attribute(key, value), rest.get(at + 1..)?)),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

/// An attribute with a text.
pub(super) fn attribute(key: &str, value: String) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value)) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

fn number(text: &str) -> Value {
    text.parse().map_or_else(|_| Value::AsDouble(text.parse().unwrap_or_default()), Value::AsInt)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `unit name kind: labels=value …` of every metric.
    #[track_caller]
    fn check(text: &str, said: &[&str]) {
        let times = Times { began_ns: 1, now_ns: 2 };
        let parts = translate(text, times);
        let found: Vec<String> = parts.iter().flatten().map(show).collect();
        assert_eq!(found, said);
    }

    fn show(metric: &Metric) -> String {
        let labels = |labels: &[KeyValue]| {
            let text = |label: &KeyValue| match &label.value {
                Some(AnyValue { value: Some(any_value::Value::StringValue(text)) }) => {
                    format!("{}={text}", label.key)
                }
                other => panic!("{other:?}"),
            };
            labels.iter().map(text).collect::<Vec<_>>().join(",")
        };
        let number = |point: &NumberDataPoint| {
            assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (1, 2));
            format!(" {}={:?}", labels(&point.attributes), point.value.as_ref().unwrap())
        };
        let numbers = |points: &[NumberDataPoint]| points.iter().map(number).collect::<String>();
        let points = match metric.data.as_ref().unwrap() {
            Data::Sum(sum) => format!("sum:{}", numbers(&sum.data_points)),
            Data::Gauge(gauge) => format!("gauge:{}", numbers(&gauge.data_points)),
            Data::Histogram(histogram) => {
                histogram.data_points.iter().fold("histogram:".to_owned(), |said, point| {
                    let HistogramDataPoint { count, bucket_counts, explicit_bounds, .. } = point;
                    let (of, sum) = (labels(&point.attributes), point.sum.unwrap());
                    format!("{said} {of}={count},{sum} {bucket_counts:?} up to {explicit_bounds:?}")
                })
            }
            other => panic!("{other:?}"),
        };
        format!("{} {} {points}", metric.name, metric.unit)
    }

    #[test]
    fn counters_and_gauges_are_numbers_with_their_labels() {
        check(
            "# HELP a_calls Calls.\n# TYPE a_calls counter\na_calls_total{api=\"o\",version=\"1\"} 7\n\
             a_calls_total{api=\"p\"} 8\n\
             # HELP a_memory_bytes Memory.\n# TYPE a_memory_bytes gauge\n\
             # UNIT a_memory_bytes bytes\na_memory_bytes -3\n\
             # HELP a_share Share.\n# TYPE a_share gauge\na_share 0.25\n# EOF\n",
            &[
                "a_calls  sum: api=o,version=1=AsInt(7) api=p=AsInt(8)",
                "a_memory_bytes By gauge: =AsInt(-3)",
                "a_share  gauge: =AsDouble(0.25)",
            ],
        );
    }

    #[test]
    fn buckets_of_a_histogram_hold_their_own() {
        check(
            "# HELP t_seconds Time.\n# TYPE t_seconds histogram\n# UNIT t_seconds seconds\n\
             t_seconds_sum{api=\"o\"} 4.5\nt_seconds_count{api=\"o\"} 9\n\
             t_seconds_bucket{le=\"0.1\",api=\"o\"} 2\nt_seconds_bucket{le=\"1.0\",api=\"o\"} 8\n\
             t_seconds_bucket{le=\"+Inf\",api=\"o\"} 9\n\
             t_seconds_sum{api=\"p\"} 0.0\nt_seconds_count{api=\"p\"} 0\n\
             t_seconds_bucket{le=\"+Inf\",api=\"p\"} 0\n",
            &[
                "t_seconds s histogram: api=o=9,4.5 [2, 6, 1] up to [0.1, 1.0] api=p=0,0 [0] up to []",
            ],
        );
    }

    #[test]
    fn whatever_stands_in_a_label_is_its_value() {
        check(
            "# HELP a A.\n# TYPE a gauge\na{b=\"x\\\"},\\\\ \\n{\",c=\"\"} 1 # {trace=\"1\"} 2\n",
            &["a  gauge: b=x\"},\\ \n{,c==AsInt(1)"],
        );
    }

    #[test]
    fn no_part_has_more_points_than_a_request_may() {
        use std::fmt::Write as _;
        let mut text =
            "# HELP a A.\n# TYPE a gauge\na 1\n# HELP b B.\n# TYPE b counter\n".to_owned();
        for index in 0..POINTS * 2 {
            writeln!(text, "b_total{{x=\"{index}\"}} {index}").unwrap();
        }
        text += "# HELP c C.\n# TYPE c histogram\n";
        for index in 0..=POINTS {
            write!(text, "c_sum{{x=\"{index}\"}} 1.0\nc_count{{x=\"{index}\"}} 1\n").unwrap();
            writeln!(text, "c_bucket{{le=\"+Inf\",x=\"{index}\"}} 1").unwrap();
        }
        let sizes = |metric: &Metric| match metric.data.as_ref().unwrap() {
            Data::Sum(sum) => sum.data_points.len(),
            Data::Gauge(gauge) => gauge.data_points.len(),
            Data::Histogram(histogram) => {
                let points = &histogram.data_points;
                assert!(points.iter().all(|point| point.bucket_counts == [1]));
                points.len()
            }
            other => panic!("{other:?}"),
        };
        let parts = translate(&text, Times { began_ns: 1, now_ns: 2 });
        let of: Vec<Vec<usize>> =
            parts.iter().map(|part| part.iter().map(sizes).collect()).collect();
        assert_eq!(of, [vec![1], vec![POINTS], vec![POINTS], vec![POINTS], vec![1]]);
        assert!(parts[1..3].iter().flatten().all(|metric| metric.name == "b"));
    }

    #[test]
    fn what_is_no_metric_is_left_out() {
        check("", &[]);
        check("# HELP a A.\n# TYPE a gauge\n# EOF\n", &[]);
        check("# HELP a A.\n# TYPE a counter\na_created 1.5\n", &[]);
        check("b 1\n# HELP a A.\n# TYPE a gauge\nb 1\na{x=\"\n\n", &[]);
    }
}
