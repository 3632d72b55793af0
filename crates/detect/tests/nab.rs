//! Are the anomalies of the Numenta Anomaly Benchmark found, early and with few false alarms?
//!
//! Over the series of the suites folder (`TURNPIKE_SUITES`, or `../shared/suites` beside the workspace);
//! without it the suite says so and passes. One setting for all series. Scored as NAB scores: each
//! window that is found counts up to 1, the earlier the more; each one missed costs 1, each alarm
//! outside up to 0.11; one threshold for all series, the best one; 0 is who sees nothing, 100 who sees
//! everything at once.

#![expect(clippy::expect_used, reason = "the files are those of the suite")]

mod processor;

#[path = "../../../tests/suites/mod.rs"]
mod suites;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use detect::Novelty;

use processor::processor_ns;

/// What must be reached, of 100.
const STANDARD: f64 = 70.0;
/// A window's value: what is found, what an alarm outside costs, what is missed.
const PROFILES: [(&str, [f64; 3]); 3] = [
    ("standard", [1.0, 0.11, 1.0]),
    ("few false alarms", [1.0, 0.22, 1.0]),
    ("few missed", [1.0, 0.11, 2.0]),
];

fn suite() -> PathBuf {
    suites::suites().join("nab")
}

struct Series {
    times: Vec<String>,
    values: Vec<f64>,
    /// First and last point of each anomaly.
    windows: Vec<(usize, usize)>,
}

/// A point that may raise an alarm.
struct Point {
    score: f64,
    /// The window that it is in.
    window: Option<usize>,
    /// What an alarm here is worth.
    worth: f64,
}

fn read() -> Option<Vec<Series>> {
    let suite = suite();
    let labels = fs::read_to_string(suite.join("labels/combined_windows.json")).ok()?;
    let labels: BTreeMap<String, Vec<[String; 2]>> = serde_json::from_str(&labels).expect("labels");
    let series = labels.into_iter().map(|(file, windows)| {
        let text = fs::read_to_string(suite.join("data").join(file)).expect("a series");
        let rows = text.lines().skip(1).filter_map(|line| line.split_once(','));
        let (times, values): (Vec<_>, Vec<_>) = rows
            .map(|(time, value)| (time.to_owned(), value.trim().parse::<f64>().expect("a number")))
            .unzip();
        let place = |time: &String| {
            let wanted = time.split('.').next();
            times.iter().position(|time| Some(time.as_str()) == wanted).expect("a point")
        };
        let mut windows: Vec<_> =
            windows.iter().map(|[first, last]| (place(first), place(last))).collect();
        windows.sort_unstable();
        Series { times, values, windows }
    });
    Some(series.collect())
}

fn seconds(time: &str) -> i64 {
    let read = chrono::NaiveDateTime::parse_from_str(time, "%Y-%m-%d %H:%M:%S");
    read.expect("a time").and_utc().timestamp()
}

/// NAB's curve: 1 far before the end of a window, 0 at its end, -1 far behind it.
fn curve(position: f64) -> f64 {
    if position > 3.0 { -1.0 } else { 2.0 / (1.0 + (5.0 * position).exp()) - 1.0 }
}

/// The points of a series that count; those at its beginning are for learning.
#[expect(clippy::cast_precision_loss, reason = "thousands of points")]
fn points(series: &Series, first_window: usize, scores: &[f64], to: &mut Vec<Point>) {
    let learning = (series.values.len() * 15 / 100).min(750);
    for (at, score) in scores.iter().enumerate().skip(learning) {
        let now = series.windows.iter().position(|(first, last)| (*first..=*last).contains(&at));
        let before = series.windows.iter().rev().find(|(_, last)| *last < at);
        let worth = match (now.and_then(|window| series.windows.get(window)), before) {
            (Some((first, last)), _) => {
                let (width, left) = ((last - first + 1) as f64, (last - at + 1) as f64);
                curve(-left / width) / curve(-1.0)
            }
            (None, Some((first, last))) => curve((at - last) as f64 / (last - first) as f64),
            (None, None) => -1.0,
        };
        let window = now.map(|window| first_window + window);
        to.push(Point { score: *score, window, worth });
    }
}

/// The score at the best threshold, and that threshold.
#[expect(clippy::cast_precision_loss, reason = "dozens of windows")]
fn judge(points: &mut [Point], windows: usize, [found, outside, missed]: [f64; 3]) -> (f64, f64) {
    points.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut best_of = vec![-missed; windows];
    let null = -missed * windows as f64;
    let (mut total, mut best, mut threshold) = (null, null, f64::INFINITY);
    for alike in points.chunk_by(|a, b| a.score.total_cmp(&b.score).is_eq()) {
        for point in alike {
            match point.window.and_then(|window| best_of.get_mut(window)) {
                None => total += point.worth * outside,
                Some(best) if point.worth * found > *best => {
                    total += point.worth * found - *best;
                    *best = point.worth * found;
                }
                Some(_) => {}
            }
        }
        if let Some(first) = alike.first().filter(|_| total > best) {
            (best, threshold) = (total, first.score);
        }
    }
    (100.0 * (best - null) / (windows as f64 * found - null), threshold)
}

#[test]
fn anomalies_are_found_early_and_with_few_false_alarms() {
    let Some(all) = read() else {
        eprintln!("nab: left out, {} is missing", suite().display());
        return;
    };
    let (mut counted, mut windows, mut seen, mut took_ns) = (Vec::new(), 0, 0, 0);
    let scores: Vec<Vec<f64>> = all
        .iter()
        .map(|series| {
            let times: Vec<i64> = series.times.iter().map(|time| seconds(time)).collect();
            let points = times.iter().zip(&series.values);
            let (mut novelty, began_ns) = (Novelty::new(), processor_ns());
            let scores = points.map(|(at, value)| novelty.see(*at, *value).score).collect();
            took_ns += processor_ns().saturating_sub(began_ns);
            seen += series.values.len() as u64;
            scores
        })
        .collect();
    for (series, scores) in all.iter().zip(&scores) {
        points(series, windows, scores, &mut counted);
        windows += series.windows.len();
    }
    let (mut passed, mut failed) = (0, 0);
    for (name, weights) in PROFILES {
        let (score, threshold) = judge(&mut counted, windows, weights);
        eprintln!("nab, {name}: {score:.2} of 100 at a threshold of {threshold:.3}");
        if name == "standard" {
            if score >= STANDARD { passed += 1 } else { failed += 1 }
        }
    }
    eprintln!("nab: {seen} points, {} ns of processor time for each", took_ns / seen.max(1));
    eprintln!("nab: {passed} passed, {failed} failed");
    assert_eq!(failed, 0, "the standard profile wants {STANDARD}");
}
