//! Which APIs does an operator look at just now, call by call?
//!
//! `PUT /loglevel?api=orders:1.0.0&level=debug&for=10m` logs a line for each call of one API until
//! the time is over. While nobody looks, a call pays one relaxed load.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

/// So many APIs can be looked at.
const MOST: usize = 100;

/// From which outcome on calls are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Only those that the gateway or the backend failed (5xx).
    Error,
    /// Those that were refused as well (4xx).
    Warn,
    /// All.
    Debug,
}

/// What is looked at; shared by the workers.
#[derive(Debug, Default)]
pub struct Watched {
    any: AtomicBool,
    apis: ArcSwap<BTreeMap<String, Watch>>,
    /// Held while the table is changed, by operators only.
    changing: Mutex<()>,
}

/// How one API is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// From which outcome on.
    pub level: Level,
    /// Until when, in seconds since the Unix epoch.
    pub until: i64,
}

/// So many APIs are looked at already.
#[derive(Debug, thiserror::Error)]
#[error("{MOST} APIs are looked at already")]
pub struct TooMany;

impl Level {
    /// The level that is called so.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "error" => Some(Self::Error),
            "warn" => Some(Self::Warn),
            "info" | "debug" | "trace" => Some(Self::Debug),
            _ => None,
        }
    }

    const fn takes(self, status: u16) -> bool {
        match self {
            Self::Error => status >= 500,
            Self::Warn => status >= 400,
            Self::Debug => true,
        }
    }
}

impl Watched {
    /// Whether any API is looked at: all that a call asks in usual times.
    pub fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Whether a call of `api` that ended with `status` at `now` is logged.
    pub fn logs(&self, api: &str, status: u16, now: i64) -> bool {
        let apis = self.apis.load();
        apis.get(api).is_some_and(|watch| watch.until > now && watch.level.takes(status))
    }

    /// Looks at `api` (`name:version`), or (`None`) no more.
    pub fn set(&self, api: &str, watch: Option<Watch>, now: i64) -> Result<(), TooMany> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut apis = BTreeMap::clone(&self.apis.load());
        apis.retain(|_, watch| watch.until > now);
        match watch {
            None => drop(apis.remove(api)),
            Some(_) if apis.len() >= MOST && !apis.contains_key(api) => return Err(TooMany),
            Some(watch) => drop(apis.insert(api.to_owned(), watch)),
        }
        self.any.store(!apis.is_empty(), Ordering::Relaxed);
        self.apis.store(Arc::new(apis));
        Ok(())
    }

    /// What is looked at now. What is over is forgotten.
    pub fn list(&self, now: i64) -> Vec<(String, Watch)> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let apis = self.apis.load();
        let on = apis.iter().filter(|(_, watch)| watch.until > now);
        let on: Vec<_> = on.map(|(api, watch)| (api.clone(), *watch)).collect();
        if on.is_empty() {
            self.any.store(false, Ordering::Relaxed);
        }
        on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether calls with 200, 404 and 503 are logged at `level`, five seconds before the end.
    #[track_caller]
    fn check(level: &str, logged: [bool; 3]) {
        let watched = Watched::default();
        let watch = Watch { level: Level::parse(level).unwrap(), until: 100 };
        watched.set("orders:1", Some(watch), 0).unwrap();
        assert!(watched.any());
        assert_eq!([200, 404, 503].map(|status| watched.logs("orders:1", status, 95)), logged);
        assert!(!watched.logs("other:1", 503, 95), "only that API");
        assert!(!watched.logs("orders:1", 503, 100), "only until then");
        assert_eq!(watched.list(100), []);
        assert!(!watched.any(), "and afterwards a call asks nothing any more");
    }

    #[test]
    fn calls_of_one_api_are_logged_for_a_while() {
        check("debug", [true, true, true]);
        check("warn", [false, true, true]);
        check("error", [false, false, true]);
        assert_eq!(Level::parse("loud"), None);
    }

    #[test]
    fn there_is_a_bound() {
        let watched = Watched::default();
        let watch = Some(Watch { level: Level::Debug, until: 100 });
        for number in 0..MOST {
            watched.set(&number.to_string(), watch, 0).unwrap();
        }
        assert!(watched.set("one more", watch, 0).is_err());
        assert!(watched.set("1", watch, 0).is_ok() && watched.set("1", None, 0).is_ok());
        assert!(watched.set("one more", watch, 0).is_ok());
        assert!(watched.set("later", watch, 100).is_ok(), "what is over makes room");
    }
}
