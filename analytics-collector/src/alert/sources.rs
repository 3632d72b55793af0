//! Up to when have all sources told what they saw?
//!
//! Who spools because the way to the collector is cut looks silent, and so do its clients. A source that is
//! connected and has nothing to say has told everything; one whose calls are being sent or looked at has
//! told as much as was seen of them; one that is away holds time back at its last call, for an hour at
//! most: then it is taken to be gone for good.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use detect::span::MINUTE_US;

use crate::guard::lock;

/// A source that is away holds time back no longer.
pub const PATIENCE_US: i64 = 60 * MINUTE_US;
/// A source that was heard within this has more to say.
const BREATH_US: i64 = MINUTE_US;
/// Sources that are known; the one that was not heard for longest makes room.
const MOST: usize = 10_000;

/// What is known of all sources.
#[derive(Debug, Default)]
pub struct Sources(Mutex<HashMap<String, Source>>);

#[derive(Clone, Copy, Debug, Default)]
struct Source {
    /// Streams that are open.
    streams: usize,
    /// Batches that were not looked at yet.
    waiting: usize,
    /// The newest call that was looked at.
    newest_us: i64,
    /// When something was heard of it, or its last stream ended.
    heard_us: i64,
}

impl Source {
    /// Up to when it has told everything; `None`: it is gone.
    const fn told_us(&self, now_us: i64) -> Option<i64> {
        let since_us = now_us.saturating_sub(self.heard_us);
        if self.streams == 0 && self.waiting == 0 {
            return if since_us < PATIENCE_US { Some(self.newest_us) } else { None };
        }
        let is_idle = self.waiting == 0 && since_us >= BREATH_US;
        Some(if is_idle { now_us } else { self.newest_us })
    }
}

impl Sources {
    /// A source was heard of before this process began, last at that time.
    pub fn remember(&self, name: &str, newest_us: i64) {
        self.with(name, newest_us, |source| source.newest_us = source.newest_us.max(newest_us));
    }

    /// A source has opened a stream, which ends with the guard.
    pub fn connect(self: &Arc<Self>, name: &str, now_us: i64) -> Connected {
        self.with(name, now_us, |source| source.streams = source.streams.saturating_add(1));
        Connected { sources: Arc::clone(self), name: name.to_owned() }
    }

    /// A batch of it waits to be looked at.
    pub(super) fn wait(&self, name: &str, now_us: i64) {
        self.with(name, now_us, |source| source.waiting = source.waiting.saturating_add(1));
    }

    /// A batch of it was looked at, whose newest call was then.
    pub(super) fn looked(&self, name: &str, newest_us: i64, now_us: i64) {
        self.with(name, now_us, |source| {
            source.waiting = source.waiting.saturating_sub(1);
            source.newest_us = source.newest_us.max(newest_us.min(now_us));
        });
    }

    /// Up to when all sources have told everything; `None`: none is known.
    pub(super) fn told_us(&self, now_us: i64) -> Option<i64> {
        let known = lock(&self.0);
        // A source without any call yet says nothing of how late calls are.
        let heard = known.values().filter(|source| source.newest_us > 0);
        heard.filter_map(|source| source.told_us(now_us)).min()
    }

    fn with(&self, name: &str, now_us: i64, change: impl FnOnce(&mut Source)) {
        let mut known = lock(&self.0);
        if known.len() >= MOST && !known.contains_key(name) {
            let idle = known.iter().filter(|(_, source)| source.streams == 0);
            let oldest = idle.min_by_key(|(_, source)| source.heard_us);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                known.remove(&oldest);
            } else {
                return;
            }
        }
        let source = known.entry(name.to_owned()).or_default();
        source.heard_us = source.heard_us.max(now_us);
        change(source);
    }
}

/// A stream of a source that is open.
#[derive(Debug)]
pub struct Connected {
    sources: Arc<Sources>,
    name: String,
}

impl Connected {
    /// Whose it is.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        if let Some(source) = lock(&self.sources.0).get_mut(&self.name) {
            source.streams = source.streams.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `story` has steps of sources `a` and `b` in minutes: `a+3` opens a stream, `a-5` ends it, `a<5`
    /// a batch comes, `a>5:4` it was looked at in minute 5 and its newest call was in minute 4. The answer
    /// is up to when all was told in minute `now`.
    #[track_caller]
    fn check(story: &str, now: i64, told: Option<i64>) {
        let sources = Arc::new(Sources::default());
        let mut open = HashMap::new();
        for step in story.split(' ') {
            let (name, rest) = step.split_at(1);
            let (sign, rest) = rest.split_at(1);
            let (at, of) = rest.split_once(':').unwrap_or((rest, "0"));
            let [at_us, of_us] = [at, of].map(|text| text.parse::<i64>().unwrap() * MINUTE_US);
            match sign {
                "+" => drop(open.insert(name.to_owned(), sources.connect(name, at_us))),
                "-" => drop(open.remove(name)),
                "<" => sources.wait(name, at_us),
                _ => sources.looked(name, of_us, at_us),
            }
        }
        assert_eq!(sources.told_us(now * MINUTE_US), told.map(|minute| minute * MINUTE_US));
    }

    #[test]
    fn who_is_connected_and_has_nothing_to_say_has_told_everything() {
        check("a+1 a<2 a>2:2", 30, Some(30));
        check("a+1", 30, None);
    }

    #[test]
    fn who_is_away_holds_time_back_for_an_hour() {
        check("a+1 a<5 a>5:5 a-5", 30, Some(5));
        check("a+1 a<5 a>5:5 a-5 b+1 b<30 b>30:30", 31, Some(5));
        check("a+1 a<5 a>5:5 a-5 b+1 b<30 b>30:30", 70, Some(70));
        check("a+1 a<5 a>5:5 a-5", 70, None);
    }

    #[test]
    fn who_comes_back_holds_it_back_until_all_was_told() {
        let away = "b+1 b<60 b>60:60 a+1 a<5 a>5:5 a-5 a+60 a<60";
        check(away, 61, Some(5));
        check(&format!("{away} a>60:40 a<60"), 61, Some(40));
        check(&format!("{away} a>60:40 a<60 a>61:60"), 61, Some(60));
        check(&format!("{away} a>60:40 a<60 a>61:60"), 63, Some(63));
    }

    #[test]
    fn who_was_heard_before_a_restart_is_away_until_it_comes_back() {
        let sources = Arc::new(Sources::default());
        sources.remember("a", 5 * MINUTE_US);
        assert_eq!(sources.told_us(30 * MINUTE_US), Some(5 * MINUTE_US));
        let _open = sources.connect("a", 30 * MINUTE_US);
        assert_eq!(sources.told_us(32 * MINUTE_US), Some(32 * MINUTE_US));
    }

    #[test]
    fn a_call_from_the_future_moves_nothing_beyond_now() {
        check("a+1 a<2 a>2:99 a<3 a>3:3", 3, Some(3));
    }

    #[test]
    fn sources_without_end_take_bounded_room() {
        let sources = Arc::new(Sources::default());
        for number in 0..2 * i64::try_from(MOST).unwrap() {
            sources.looked(&number.to_string(), number, number);
        }
        assert_eq!(lock(&sources.0).len(), MOST);
    }
}
