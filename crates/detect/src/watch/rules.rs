//! From where on is something told?

const MINUTE_US: i64 = 60_000_000;
const DAY_US: i64 = 24 * 60 * MINUTE_US;

/// The knobs of all alarms. A fixed limit replaces what was learnt.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// What was told about one thing is not told again for so long.
    pub quiet_us: i64,
    /// Calls before a time, a pace, a step or an address counts as unusual.
    pub learning: u64,
    /// A response that takes longer is slow; none: by what was learnt.
    pub response_us: Option<u64>,
    /// The same for the backend's part.
    pub backend_us: Option<u64>,
    /// More calls of a client to an operation in a minute are too many; none: by what was learnt.
    pub calls_per_minute: Option<u64>,
    /// A step that follows less often is unusual.
    pub step_probability: f64,
    /// Calls further apart do not follow each other.
    pub step_pause_us: i64,
    /// An address that was away for longer is told when it returns.
    pub absence_us: i64,
    /// More refusals by a limit within an hour are told.
    pub refusals_per_hour: usize,
    /// So many slow or failed answers in a row are told.
    pub in_a_row: u32,
    /// Of each kind of thing so many are known; the one that was quiet for longest makes room.
    pub most: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            quiet_us: 10 * MINUTE_US,
            learning: 500,
            response_us: None,
            backend_us: None,
            calls_per_minute: None,
            step_probability: 0.05,
            step_pause_us: 60 * MINUTE_US,
            absence_us: 30 * DAY_US,
            refusals_per_hour: 10,
            in_a_row: 5,
            most: 100_000,
        }
    }
}
