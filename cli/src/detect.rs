//! `turnpike detect`: what is unusual in a series that somebody has recorded?

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDateTime};
use clap::Args;
use detect::Novelty;

use crate::failure::Failure;
use crate::output::note;

/// From here on a point never was so before.
const NOVEL: f64 = 0.5;

#[derive(Clone, Debug, Args)]
pub(crate) struct Detect {
    /// The series: `timestamp,value` with a heading, in the order of time; `-` is standard input
    ///
    /// A time is `2026-11-30 08:15:00`, RFC 3339, or seconds since 1970. Printed is the same with
    /// `anomaly_score`: from 0, as ever, to 1; from 0.5 on it never was so before. After that the
    /// score stays 0 for thirty points, which belong to the same event.
    #[arg(long, value_name = "FILE")]
    csv: PathBuf,
}

/// Why a file is no series.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeriesError {
    #[error("{}: it cannot be read as CSV", file.display())]
    Csv { file: PathBuf, source: csv::Error },
    #[error("{}: line {line}: `{found}` is no {wanted}", file.display())]
    Field { file: PathBuf, line: u64, found: String, wanted: &'static str },
    #[error("{}: line {line}: a row is `timestamp,value`", file.display())]
    Row { file: PathBuf, line: u64 },
}

/// Prints the series with its scores.
pub(crate) fn detect(asked: &Detect) -> Result<(), Failure> {
    let file = &asked.csv;
    let input: Box<dyn Read> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let opened = File::open(file);
        Box::new(opened.map_err(|source| Failure::File { file: file.clone(), source })?)
    };
    let mut output = io::BufWriter::new(io::stdout().lock());
    let (points, novel) = score(input, file, &mut output)?;
    output.flush()?;
    let s = if points == 1 { "" } else { "s" };
    note(format_args!("{points} point{s}, {novel} of them as never before"));
    Ok(())
}

fn score(input: impl Read, file: &Path, output: &mut impl Write) -> Result<(u64, u64), Failure> {
    let mut rows = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(input);
    let mut novelty = Novelty::new();
    let (mut points, mut novel) = (0_u64, 0_u64);
    writeln!(output, "timestamp,value,anomaly_score")?;
    for row in rows.records() {
        let row = row.map_err(|source| SeriesError::Csv { file: file.to_owned(), source })?;
        let line = row.position().map_or(0, csv::Position::line);
        let (Some(time), Some(value)) = (row.get(0), row.get(1)) else {
            return Err(SeriesError::Row { file: file.to_owned(), line }.into());
        };
        let wrong = |found: &str, wanted| SeriesError::Field {
            file: file.to_owned(),
            line,
            found: found.to_owned(),
            wanted,
        };
        let at = seconds(time).ok_or_else(|| wrong(time, "time"))?;
        let number: f64 = value.parse().map_err(|_| wrong(value, "number"))?;
        let seen = novelty.see(at, number);
        points += 1;
        novel += u64::from(seen.score >= NOVEL);
        writeln!(output, "{time},{value},{:.6}", seen.score)?;
    }
    Ok((points, novel))
}

/// Seconds since the Unix epoch; a time that names no zone is in UTC.
fn seconds(time: &str) -> Option<i64> {
    if let Ok(seconds) = time.parse() {
        return Some(seconds);
    }
    if let Ok(moment) = DateTime::parse_from_rfc3339(time) {
        return Some(moment.timestamp());
    }
    let without_zone = NaiveDateTime::parse_from_str(time, "%Y-%m-%d %H:%M:%S%.f");
    without_zone.ok().map(|moment| moment.and_utc().timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(series: &str, expected: &str) {
        let mut printed = Vec::new();
        let said = match score(series.as_bytes(), Path::new("s.csv"), &mut printed) {
            Ok(_) => String::from_utf8(printed).unwrap(),
            Err(failure) => failure.to_string(),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn each_point_gets_a_score() {
        check(
            "timestamp,value\n2026-11-30 08:15:00,1.50\n2026-11-30T08:16:00Z,2\n1796026620,3\n",
            "timestamp,value,anomaly_score\n2026-11-30 08:15:00,1.50,0.000000\n\
             2026-11-30T08:16:00Z,2,0.000000\n1796026620,3,0.000000\n",
        );
    }

    #[test]
    fn what_is_no_series_is_refused_with_its_line() {
        check("timestamp,value\n1,2\nnoon,3\n", "s.csv: line 3: `noon` is no time");
        check("timestamp,value\n1,many\n", "s.csv: line 2: `many` is no number");
        check("timestamp,value\n1\n", "s.csv: line 2: a row is `timestamp,value`");
    }

    #[test]
    fn all_forms_of_a_time_mean_the_same() {
        for time in ["1796026500", "2026-11-30 08:15:00", "2026-11-30T09:15:00+01:00"] {
            assert_eq!(seconds(time), Some(1_796_026_500), "{time}");
        }
    }
}
