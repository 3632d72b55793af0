//! Which alerts were raised?
//!
//! A file with one alert a line, synced before anybody is told. It is bounded: when it has twice
//! as many as are kept, it is written anew. A line torn by a stop is left out.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The history could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}")]
pub struct HistoryError {
    action: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Severe.
    Severe,
    /// Moderate.
    Moderate,
    /// Mild.
    Mild,
}

/// Something unusual. Fields are only ever added, with a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Identifies the alert.
    pub id: String,
    /// What kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// How bad it is.
    pub severity: Severity,
    /// When it was raised, microseconds since the Unix epoch.
    pub raised_at_us: i64,
    /// The minute since the Unix epoch that it is about.
    pub minute: i64,
    /// One sentence for people.
    pub message: String,
    /// Name of the Api.
    pub api: String,
    /// Its version.
    pub api_version: String,
    /// Name of the Application.
    pub application: String,
    /// What it is probably about, `api/orders:1.0.0`, `application/shop`, `client/…`, `address/…`: alerts
    /// with the same cause are sent together. Empty: it stands for itself.
    #[serde(default)]
    pub cause: String,
    /// What raised it.
    pub evidence: BTreeMap<String, String>,
}

/// Which alerts; what is empty asks for all.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Raised since then, microseconds since the Unix epoch.
    pub since_us: i64,
    /// Of this Api.
    pub api: String,
    /// Of this Application.
    pub application: String,
    /// Of this kind.
    pub kind: String,
    /// As bad as this, or worse.
    pub severity: Option<Severity>,
}

impl Wanted {
    /// Whether it is one of them.
    pub fn holds(&self, alert: &Alert) -> bool {
        let same = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
        alert.raised_at_us >= self.since_us
            && same(&self.api, &alert.api)
            && same(&self.application, &alert.application)
            && same(&self.kind, &alert.kind)
            && self.severity.is_none_or(|severity| alert.severity <= severity)
    }
}

/// The alerts that are kept.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    file: File,
    /// Length of the file up to the last whole line.
    whole: u64,
    lines: usize,
    most: usize,
    /// Oldest first.
    alerts: VecDeque<Arc<Alert>>,
    /// The identities of these: in a flood of alerts each is looked for.
    ids: HashSet<String>,
}

impl History {
    /// Opens the history of a file, or begins one; keeps the last `most`.
    pub fn open(path: &Path, most: usize) -> Result<Self, HistoryError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(HistoryError { action: "read", path: path.into(), source }),
        };
        let lines: Vec<&[u8]> =
            bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        let read: Vec<Alert> =
            lines.iter().filter_map(|line| serde_json::from_slice(line).ok()).collect();
        let torn = lines.len() - read.len();
        if torn > 0 {
            tracing::warn!(file = %path.display(), lines = torn, "lines of the alert history are no alerts and are left out");
        }
        let skip = read.len().saturating_sub(most);
        let alerts: VecDeque<_> = read.into_iter().skip(skip).map(Arc::new).collect();
        write_anew(path, alerts.iter())
            .or_else(|error| go_on(path, &bytes, error))
            .map(|(file, whole)| {
                let lines = alerts.len();
                let ids = alerts.iter().map(|alert| alert.id.clone()).collect();
                Self { path: path.into(), file, whole, lines, most, alerts, ids }
            })
            .map_err(|source| HistoryError { action: "write", path: path.into(), source })
    }

    /// Keeps new alerts. They are in memory also when the file cannot be written.
    pub fn add(&mut self, new: &[Arc<Alert>]) -> Result<(), HistoryError> {
        self.ids.extend(new.iter().map(|alert| alert.id.clone()));
        self.alerts.extend(new.iter().cloned());
        let over = self.alerts.len().saturating_sub(self.most);
        for gone in self.alerts.drain(..over) {
            self.ids.remove(&gone.id);
        }
        let written = if self.lines + new.len() > 2 * self.most {
            write_anew(&self.path, self.alerts.iter()).map(|(file, whole)| {
                (self.file, self.whole, self.lines) = (file, whole, self.alerts.len());
            })
        } else {
            self.append(new)
        };
        written.map_err(|source| HistoryError { action: "write", path: self.path.clone(), source })
    }

    /// Whether it is there.
    pub fn holds(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    /// Those that are wanted, newest first, at most `limit`.
    pub fn list(&self, wanted: &Wanted, limit: usize) -> Vec<Arc<Alert>> {
        let is_wanted = |alert: &&Arc<Alert>| wanted.holds(alert);
        self.alerts.iter().rev().filter(is_wanted).take(limit).cloned().collect()
    }

    fn append(&mut self, new: &[Arc<Alert>]) -> io::Result<()> {
        let text = text(new.iter())?;
        let written = self.file.write_all(&text).and_then(|()| self.file.sync_data());
        if written.is_err() {
            // Half a line must not become part of the next one.
            let _ = self.file.set_len(self.whole);
            return written;
        }
        self.whole += text.len() as u64;
        self.lines += new.len();
        Ok(())
    }
}

fn write_anew<'a>(
    path: &Path,
    alerts: impl Iterator<Item = &'a Arc<Alert>>,
) -> io::Result<(File, u64)> {
    let text = text(alerts)?;
    let aside = path.with_extension("tmp");
    fs::write(&aside, &text)?;
    File::open(&aside)?.sync_all()?;
    fs::rename(&aside, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok((OpenOptions::new().append(true).open(path)?, text.len() as u64))
}

/// On a full disk the file as it is goes on, without a line that a stop has torn.
fn go_on(path: &Path, bytes: &[u8], error: io::Error) -> io::Result<(File, u64)> {
    if error.kind() != io::ErrorKind::StorageFull {
        return Err(error);
    }
    // What there is of the new one only takes room.
    let _ = fs::remove_file(path.with_extension("tmp"));
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1) as u64;
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    file.set_len(whole)?;
    Ok((file, whole))
}

fn text<'a>(alerts: impl Iterator<Item = &'a Arc<Alert>>) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for alert in alerts {
        serde_json::to_writer(&mut text, alert.as_ref())?;
        text.push(b'\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(n: i64) -> Arc<Alert> {
        Arc::new(Alert {
            id: n.to_string(),
            kind: "AbnormalRequestsPerMin".into(),
            severity: Severity::Moderate,
            raised_at_us: n,
            minute: 0,
            message: String::new(),
            api: "orders".into(),
            api_version: "1.0.0".into(),
            application: "shop".into(),
            cause: String::new(),
            evidence: BTreeMap::new(),
        })
    }

    /// Three are kept. `added` alerts are raised, `harm` is done to the file, and it is opened
    /// again; then these are listed.
    #[track_caller]
    fn check(added: i64, harm: impl FnOnce(&mut Vec<u8>), listed: &[i64]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.jsonl");
        let mut history = History::open(&path, 3).unwrap();
        for n in 1..=added {
            history.add(&[alert(n)]).unwrap();
        }
        drop(history);
        let mut bytes = fs::read(&path).unwrap();
        assert!(bytes.split(|byte| *byte == b'\n').count() <= 7);
        harm(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let mut history = History::open(&path, 3).unwrap();
        let ids = |history: &History| -> Vec<i64> {
            history.list(&Wanted::default(), 100).iter().map(|alert| alert.raised_at_us).collect()
        };
        assert_eq!(ids(&history), listed);
        let known = |n: &i64| history.holds(&n.to_string());
        assert_eq!((1..=added).rev().filter(known).collect::<Vec<_>>(), listed);
        history.add(&[alert(99)]).unwrap();
        let again = History::open(&path, 3).unwrap();
        assert_eq!(ids(&again), ids(&history));
        assert_eq!(ids(&again).first(), Some(&99));
        assert!(history.holds("99") && again.holds("99") && !history.holds("0"));
    }

    #[test]
    fn alerts_are_there_after_a_restart_newest_first() {
        check(2, |_| {}, &[2, 1]);
    }

    #[test]
    fn only_the_last_ones_are_kept() {
        check(20, |_| {}, &[20, 19, 18]);
    }

    #[test]
    fn a_torn_last_line_is_left_out() {
        check(2, |bytes| bytes.truncate(bytes.len() - 5), &[1]);
    }

    #[test]
    fn the_list_has_what_is_wanted_and_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let mut history = History::open(&folder.path().join("alerts.jsonl"), 9).unwrap();
        history.add(&[alert(1), alert(2), alert(3)]).unwrap();
        let ids = |wanted: Wanted, limit| -> Vec<i64> {
            history.list(&wanted, limit).iter().map(|alert| alert.raised_at_us).collect()
        };
        assert_eq!(ids(Wanted { since_us: 2, ..Wanted::default() }, 9), [3, 2]);
        assert_eq!(ids(Wanted::default(), 1), [3]);
        assert_eq!(ids(Wanted { api: "orders".into(), ..Wanted::default() }, 9), [3, 2, 1]);
        assert!(ids(Wanted { api: "users".into(), ..Wanted::default() }, 9).is_empty());
        let severe = Some(Severity::Severe);
        assert!(ids(Wanted { severity: severe, ..Wanted::default() }, 9).is_empty());
        let mild = Some(Severity::Mild);
        assert_eq!(ids(Wanted { severity: mild, ..Wanted::default() }, 1), [3]);
    }
}
