//! Two gateways on one folder, one after the other and side by side.

use std::time::Duration;

use tempfile::TempDir;
use throttle::{Cost, Limit, Measure, MeterConfig, Quota, Span};

use super::*;

/// A year that has begun and does not end soon.
const AMOUNT: u64 = 100;

struct Ground {
    host: Host,
    directory: PathBuf,
    _data: TempDir,
}

impl Ground {
    fn new() -> Self {
        let data = TempDir::new().unwrap();
        let host = Host::development("gateway", data.path()).unwrap();
        let directory = data.path().join("counters");
        Self { host, directory, _data: data }
    }

    async fn start(&self) -> Counters {
        Counters::start(self.directory.clone(), &self.host).await.unwrap()
    }

    fn files(&self) -> usize {
        files(&self.directory).unwrap().len()
    }

    fn now_us(&self) -> u64 {
        self.host.clock.unix_us().cast_unsigned()
    }

    /// Makes calls as a worker does.
    fn call(&self, counters: &Counters, meter: &Arc<Meter>, times: u64) {
        for _ in 0..times {
            counters.journal().wake(meter);
            let hold = meter.hold(self.now_us(), &Cost::CALL).unwrap();
            counters.journal().note(meter);
            let _ = hold.settle();
        }
    }

    /// How many calls the meter of `subject` has counted, once it has taken over what was before.
    fn used(&self, counters: &Counters, meter: &Arc<Meter>) -> u64 {
        counters.journal().wake(meter);
        AMOUNT - meter.state(self.now_us()).next().unwrap().remaining
    }
}

fn meter(subject: u8) -> Arc<Meter> {
    let span = Span::fixed(Duration::from_hours(24 * 365)).unwrap();
    let quota = Limit::of_calls(Measure::Quota(Quota::new(AMOUNT, span).unwrap()));
    Arc::new(Meter::named(MeterConfig::new(&[quota]).unwrap(), || Subject([subject; 16])))
}

#[tokio::test]
async fn what_was_written_goes_on_with_the_next_one() {
    let ground = Ground::new();
    let (first, one, other) = (ground.start().await, meter(1), meter(2));
    ground.call(&first, &one, 3);
    ground.call(&first, &other, 5);
    first.write().await;
    ground.call(&first, &one, 4);
    first.finish().await;
    for _ in 0..2 {
        let next = ground.start().await;
        let again = meter(1);
        assert_eq!(ground.used(&next, &again), 7);
        assert_eq!(ground.files(), 1);
        next.finish().await;
    }
    // It was never asked for, and is not forgotten.
    let last = ground.start().await;
    assert_eq!((ground.used(&last, &meter(2)), ground.used(&last, &meter(3))), (5, 0));
}

#[tokio::test]
async fn who_takes_over_adds_what_the_one_before_still_counts() {
    let ground = Ground::new();
    let (before, old_one, old_other) = (ground.start().await, meter(1), meter(2));
    ground.call(&before, &old_one, 3);
    before.write().await;
    let after = ground.start().await;
    let (one, other) = (meter(1), meter(2));
    ground.call(&after, &one, 10);
    assert_eq!(ground.used(&after, &one), 13);
    // Both count, one that has begun here and one that has not.
    ground.call(&before, &old_one, 4);
    ground.call(&before, &old_other, 2);
    before.write().await;
    for _ in 0..2 {
        after.write().await;
        assert_eq!(ground.used(&after, &one), 17);
    }
    assert_eq!(ground.used(&after, &other), 2);
    ground.call(&before, &old_other, 1);
    before.finish().await;
    while ground.files() > 1 {
        after.write().await;
    }
    assert_eq!((ground.used(&after, &one), ground.used(&after, &other)), (17, 3));
    after.finish().await;
    let last = ground.start().await;
    assert_eq!((ground.used(&last, &meter(1)), ground.used(&last, &meter(2))), (17, 3));
}

#[tokio::test]
async fn limits_that_begin_afresh_stay_so() {
    let ground = Ground::new();
    let (first, one) = (ground.start().await, meter(1));
    ground.call(&first, &one, 3);
    first.write().await;
    one.reset();
    first.journal().note(&one);
    first.finish().await;
    let next = ground.start().await;
    assert_eq!(ground.used(&next, &meter(1)), 0);
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_what_stands_before_counts() {
    let ground = Ground::new();
    let (first, one, other) = (ground.start().await, meter(1), meter(2));
    ground.call(&first, &one, 3);
    first.write().await;
    let good = fs::metadata(files(&ground.directory).unwrap()[0].1.as_path()).unwrap().len();
    ground.call(&first, &other, 5);
    first.write().await;
    ground.call(&first, &one, 1);
    first.finish().await;
    let path = files(&ground.directory).unwrap()[0].1.clone();
    let mut bytes = fs::read(&path).unwrap();
    let place = usize::try_from(good).unwrap() + 20;
    bytes[place] ^= 1;
    fs::write(&path, bytes).unwrap();
    let next = ground.start().await;
    assert_eq!((ground.used(&next, &meter(1)), ground.used(&next, &meter(2))), (3, 0));
    assert!(path.with_extension("damaged").exists());
    assert_eq!(ground.files(), 1);
}
