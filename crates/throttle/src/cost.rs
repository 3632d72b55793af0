//! What does a call cost, and what is counted?

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// Calls.
    Requests,
    /// Bytes of the bodies that clients send.
    BytesIn,
    /// Bytes of the bodies that clients get.
    BytesOut,
    /// Bytes of both.
    Bytes,
    /// Frames of `WebSocket`s, events of streams.
    Events,
    /// Whatever somebody reckons up for a call: tokens of a model, complexity of a query.
    Cost,
}

/// What one call costs, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Calls: 1, or 0 for what belongs to a call that has been counted.
    pub requests: u64,
    /// Bytes from the client.
    pub bytes_in: u64,
    /// Bytes to the client.
    pub bytes_out: u64,
    /// Frames and events.
    pub events: u64,
    /// What is reckoned up for it.
    pub cost: u64,
}

impl Cost {
    /// A call of which nothing else is known yet.
    pub const CALL: Self = Self { requests: 1, bytes_in: 0, bytes_out: 0, events: 0, cost: 0 };

    /// How many units it has.
    pub const fn of(&self, unit: Unit) -> u64 {
        match unit {
            Unit::Requests => self.requests,
            Unit::BytesIn => self.bytes_in,
            Unit::BytesOut => self.bytes_out,
            Unit::Bytes => self.bytes_in.saturating_add(self.bytes_out),
            Unit::Events => self.events,
            Unit::Cost => self.cost,
        }
    }
}
