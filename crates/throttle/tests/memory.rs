//! How much memory do a million subjects take?

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use throttle::{Cost, Limit, Measure, MeterConfig, Meters, Quota, Span, Subject};

    const NOW_US: u64 = 1_800_000_000_000_000;
    const SUBJECTS: usize = 1_000_000;
    const MOST_BYTES: usize = 200_000_000;

    /// What the process has in memory, in bytes.
    fn resident() -> usize {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    }

    #[test]
    fn a_million_live_keys_take_at_most_200_megabytes() {
        let span = Span::fixed(Duration::from_mins(1)).unwrap();
        let limit = Limit::of_calls(Measure::Quota(Quota::new(1_000, span).unwrap()));
        // Some room for shards that get more than their part.
        let meters = Meters::new(&MeterConfig::new(&[limit]).unwrap(), SUBJECTS / 8 * 9);
        let before = resident();
        for number in 0..SUBJECTS {
            let subject = Subject::of("address", &["orders:1.0", &number.to_string()]);
            let meter = meters.meter(subject, NOW_US).unwrap();
            let _ = meter.hold(NOW_US, &Cost::CALL).unwrap().settle();
        }
        let taken = resident() - before;
        assert_eq!(meters.len(), SUBJECTS);
        eprintln!("{} bytes for each of {SUBJECTS} keys", taken / SUBJECTS);
        assert!(taken <= MOST_BYTES, "{taken} bytes");
    }
}
