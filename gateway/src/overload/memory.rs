//! How much memory does the process take, of how much?

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chassis::Host;
use chassis::config::size;

use super::config::Config;

/// How often it is looked.
const EVERY: Duration = Duration::from_millis(250);
/// Of so many looks one asks the allocator to give freed memory back.
const GIVE_BACK_EVERY: u32 = 4;
/// A block of this size has pages of its own.
const BLOCK_BYTES: usize = 1 << 20;
/// A control group without a limit says a number beyond all memory.
const NO_LIMIT: u64 = 1 << 60;

/// What was seen last; shared by the workers.
#[derive(Debug, Default)]
pub struct Memory {
    resident: AtomicU64,
    limit: u64,
    soft: f64,
    hard: f64,
}

/// Why memory cannot be watched as configured.
#[derive(Debug, thiserror::Error)]
#[error("overload.{key} = `{value}`: {reason}")]
pub struct MemoryError {
    key: &'static str,
    value: String,
    reason: &'static str,
}

impl Memory {
    /// The bounds.
    pub fn new(config: &Config) -> Result<Self, MemoryError> {
        let refused = |key, value: String, reason| MemoryError { key, value, reason };
        let limit = if config.memory.is_empty() {
            limit().unwrap_or(NO_LIMIT)
        } else {
            size::parse(&config.memory).ok_or_else(|| {
                refused("memory", config.memory.clone(), "write a size like 512MiB")
            })?
        };
        let (soft, hard) = (config.memory_soft, config.memory_hard);
        if !(soft > 0.0 && soft < hard && hard <= 1.0) {
            let reason = "memory_soft < memory_hard, both between 0 and 1";
            return Err(refused("memory_soft", soft.to_string(), reason));
        }
        Ok(Self { resident: AtomicU64::new(0), limit, soft, hard })
    }

    /// How far it is from the soft bound (0) to the hard one (1).
    #[expect(clippy::cast_precision_loss, reason = "a share of bytes")]
    pub fn pressure(&self) -> f64 {
        if self.limit == 0 {
            return 0.0;
        }
        let share = self.resident.load(Ordering::Relaxed) as f64 / self.limit as f64;
        (share - self.soft) / (self.hard - self.soft)
    }

    /// Bytes of the bound.
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes that are taken.
    pub fn resident(&self) -> u64 {
        self.resident.load(Ordering::Relaxed)
    }

    fn look(&self) {
        if let Some(resident) = resident() {
            self.resident.store(resident, Ordering::Relaxed);
        }
    }
}

/// Looks again and again until the process is asked to stop.
pub async fn watch(memory: Arc<Memory>, host: Host) {
    let mut looks = 0_u32;
    loop {
        if looks.is_multiple_of(GIVE_BACK_EVERY) {
            give_back();
        }
        looks = looks.wrapping_add(1);
        memory.look();
        tokio::select! {
            () = host.shutdown.wait() => return,
            () = host.clock.sleep(EVERY) => {}
        }
    }
}

/// The allocator keeps what was freed for a second, and looks whether a second has passed only when
/// somebody takes or returns whole pages. After a large change nobody does: what compiling took would
/// count as taken for as long as the gateway runs. So a block is taken and returned, untouched.
fn give_back() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(BLOCK_BYTES)));
}

/// Bytes that the process has in memory.
fn resident() -> Option<u64> {
    let pages = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = pages.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// The least of what the control group and the machine have.
fn limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    group_limit(&groups, Path::new("/sys/fs/cgroup")).into_iter().chain(machine()).min()
}

fn machine() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

/// The limit of the control group of this process: of version 2 (`0::/path`) or version 1
/// (`9:memory:/path`), of the group itself or of what a container shows as the root.
fn group_limit(groups: &str, root: &Path) -> Option<u64> {
    let places = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let path = path.trim_start_matches('/');
        match controllers {
            "" => Some((root.to_owned(), path, "memory.max")),
            all if all.split(',').any(|one| one == "memory") => {
                Some((root.join("memory"), path, "memory.limit_in_bytes"))
            }
            _ => None,
        }
    });
    let read = |path: PathBuf| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    places
        .flat_map(|(root, path, file)| [read(root.join(path).join(file)), read(root.join(file))])
        .flatten()
        .filter(|limit| *limit < NO_LIMIT)
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which limit is found where `files` say what they say.
    #[track_caller]
    fn check(groups: &str, files: &[(&str, &str)], limit: Option<u64>) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        assert_eq!(group_limit(groups, root.path()), limit);
    }

    #[test]
    fn the_limit_of_the_control_group_is_found_in_both_versions() {
        check("0::/a/b\n", &[("a/b/memory.max", "1000\n")], Some(1000));
        check("0::/a/b\n", &[("memory.max", "2000\n")], Some(2000));
        check("0::/a/b\n", &[("a/b/memory.max", "max\n")], None);
        let old = "3:cpu:/x\n9:memory:/a\n";
        check(old, &[("memory/a/memory.limit_in_bytes", "3000\n")], Some(3000));
        check(old, &[("memory/memory.limit_in_bytes", "9223372036854771712\n")], None);
    }

    #[test]
    fn this_process_takes_some_memory() {
        assert!(resident().unwrap() > 100_000);
        assert!(limit().unwrap() > resident().unwrap());
    }
}
