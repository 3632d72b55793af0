//! What was measured, beside its bound.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::ground::Engine;

/// All figures of a run, printed as they come.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    engine: &'static str,
    scenario: &'static str,
    figure: String,
    value: f64,
    unit: &'static str,
    bound: Option<f64>,
}

impl Report {
    /// A figure; with a bound, it must not be larger.
    pub(crate) fn add(
        &mut self,
        (engine, scenario): (Engine, &'static str),
        figure: impl Into<String>,
        (value, unit): (f64, &'static str),
        bound: Option<f64>,
    ) {
        if self.rows.is_empty() {
            println!(
                "| store | scenario | figure | value | bound | |\n|---|---|---|---:|---:|---|"
            );
        }
        let figure = figure.into();
        let mut line = format!("| {} | {scenario} | {figure} | {value:.2} {unit} |", engine.name());
        let _ = match bound {
            Some(bound) if value <= bound => write!(line, " {bound} {unit} | met |"),
            Some(bound) => write!(line, " {bound} {unit} | **missed** |"),
            None => write!(line, " | |"),
        };
        println!("{line}");
        self.rows.push(Row { engine: engine.name(), scenario, figure, value, unit, bound });
    }

    /// The median and the 99th percentile of spans in microseconds, with bounds in milliseconds.
    pub(crate) fn spans(
        &mut self,
        of: (Engine, &'static str),
        what: &str,
        mut spans: Vec<i64>,
        bounds: (Option<f64>, Option<f64>),
    ) {
        spans.sort_unstable();
        let at = |share: usize| {
            let place = (spans.len().saturating_sub(1) * share).div_ceil(100);
            spans.get(place).copied().unwrap_or_default()
        };
        let count = spans.len();
        self.add(of, format!("{what}, p50 of {count}"), (millis(at(50)), "ms"), bounds.0);
        self.add(of, format!("{what}, p99"), (millis(at(99)), "ms"), bounds.1);
        self.add(of, format!("{what}, slowest"), (millis(at(100)), "ms"), None);
    }

    pub(crate) fn all_met(&self) -> bool {
        self.rows.iter().all(|row| row.bound.is_none_or(|bound| row.value <= bound))
    }

    pub(crate) fn json(&self) -> String {
        let row = |row: &Row| {
            json!({ "store": row.engine, "scenario": row.scenario, "figure": row.figure,
                "value": row.value, "unit": row.unit, "bound": row.bound })
        };
        let rows: Vec<Value> = self.rows.iter().map(row).collect();
        format!("{:#}\n", Value::Array(rows))
    }
}

/// Of microseconds, of which there are never so many that it matters.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn millis(us: i64) -> f64 {
    us as f64 / 1000.0
}
