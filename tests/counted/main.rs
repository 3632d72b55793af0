//! Is every served call counted once, whatever is killed, filled up, away, or flooded?
//!
//! A real gateway and a real collector, and callers who remember each call and what became of it. At the
//! end the collector is asked how often it has stored each of them. `pair` is what runs, `disk` what it
//! may fill, `callers` call and remember, `stored` asks, and `verdict` compares. `kills`, `full_disks`,
//! `away` and `bombs` are what happens.
//!
//! Every run is as long as one says: `TURNPIKE_COUNTED_RATE` calls a second, `TURNPIKE_COUNTED_KILLS` of
//! each kind, `TURNPIKE_COUNTED_AWAY` seconds without a collector, `TURNPIKE_COUNTED_PATHS` different
//! paths.

mod away;
mod bombs;
mod callers;
mod disk;
mod full_disks;
mod kills;
mod pair;
mod stored;
mod verdict;

use std::future::Future;
use std::sync::{Mutex, PoisonError};

/// Runs one story; each wants the machine for itself.
fn alone<F: Future<Output = ()>>(story: F) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(story);
}

/// What `TURNPIKE_COUNTED_<name>` says, or what is usual.
fn setting(name: &str, usual: u32) -> u32 {
    let variable = format!("TURNPIKE_COUNTED_{name}");
    std::env::var(&variable).map_or(usual, |text| {
        text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number"))
    })
}
