//! How many file descriptors may clients and backends take?
//!
//! The limit of the process is raised as far as it may be. What it leaves after a reserve, for
//! health, configuration and files, is dealt to clients and backends in halves, so that neither
//! can use up what the other needs, and no accept fails for want of one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many connections there may be, of each kind and per worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// Of clients.
    pub clients: usize,
    /// To backends.
    pub backends: usize,
}

/// Raises the limit and deals it out; `wanted` is what is configured.
pub fn descriptors(wanted: Descriptors, workers: usize, spare: u64) -> Descriptors {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // Where it cannot be raised it stays, and is dealt out as it is.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let dealt = deal(limit, wanted, workers, spare);
    if dealt != wanted {
        tracing::warn!(
            limit,
            clients = dealt.clients,
            backends = dealt.backends,
            "the limit of open files allows fewer connections per worker than configured"
        );
    }
    dealt
}

fn deal(limit: u64, wanted: Descriptors, workers: usize, spare: u64) -> Descriptors {
    let free = limit.saturating_sub(spare.min(limit / 2));
    let each = free / 2 / u64::try_from(workers.max(1)).unwrap_or(u64::MAX);
    let each = usize::try_from(each).unwrap_or(usize::MAX).max(1);
    Descriptors { clients: wanted.clients.min(each), backends: wanted.backends.min(each) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_reserve_leaves_is_dealt_in_halves() {
        let check = |limit, workers, clients, backends| {
            let wanted = Descriptors { clients: 16_384, backends: 4096 };
            assert_eq!(deal(limit, wanted, workers, 64), Descriptors { clients, backends });
        };
        check(u64::MAX, 2, 16_384, 4096);
        check(256, 2, 48, 48);
        check(20_064, 2, 5000, 4096);
        check(16, 2, 2, 2);
    }
}
