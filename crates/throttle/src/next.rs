//! What has been given away of a window that has not begun yet?
//!
//! Gateways are given units of it a little before it begins, so that their first calls in it find some. They
//! count in that window and in no other one: as used when it begins, before anything else is given of it.

/// Units of the window that comes next.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Next {
    number: u64,
    units: u64,
}

impl Next {
    /// How many of the window of this number.
    pub(crate) const fn of(&self, number: u64) -> u64 {
        if self.number == number { self.units } else { 0 }
    }

    /// Whether there are any.
    pub(crate) const fn is_any(&self) -> bool {
        self.units > 0
    }

    /// So many more; those of another window are forgotten.
    pub(crate) const fn give(&mut self, number: u64, units: u64) {
        let units = self.of(number).saturating_add(units);
        *self = Self { number, units };
    }

    /// Takes back so many. False: none are of that window.
    pub(crate) const fn back(&mut self, number: u64, units: u64) -> bool {
        let is_next = self.of(number) > 0;
        if is_next {
            self.units = self.units.saturating_sub(units);
        }
        is_next
    }

    /// The window of this number is there: as many are used of it. What was given of one before it is over.
    pub(crate) fn begin(&mut self, number: u64) -> u64 {
        if number < self.number {
            return 0;
        }
        let units = self.of(number);
        *self = Self::default();
        units
    }

    /// Takes all of them, whatever their window.
    pub(crate) fn all(&mut self) -> u64 {
        std::mem::take(self).units
    }
}
