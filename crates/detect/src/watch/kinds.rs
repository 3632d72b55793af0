//! Which kinds of alarm are meant? A bit for each.

use super::finding::Alarm;

/// Some of the kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kinds(u16);

impl Kinds {
    pub(super) const NONE: Self = Self(0);
    pub(super) const ALL: Self = Self::of(&Alarm::ALL);

    pub(super) const fn of(mut alarms: &[Alarm]) -> Self {
        let mut kinds = Self::NONE;
        while let Some((alarm, others)) = alarms.split_first() {
            kinds = kinds.with(*alarm);
            alarms = others;
        }
        kinds
    }

    pub(super) const fn with(self, alarm: Alarm) -> Self {
        Self(self.0 | (1 << alarm as u16))
    }

    pub(super) const fn without(self, alarm: Alarm) -> Self {
        Self(self.0 & !(1 << alarm as u16))
    }

    /// These and the others.
    pub(super) const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether one of the others is among these.
    pub(super) const fn has_any(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kinds: Kinds, expected: &[Alarm]) {
        let has = |alarm: &Alarm| kinds.has_any(Kinds::of(&[*alarm]));
        let found: Vec<Alarm> = Alarm::ALL.into_iter().filter(has).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn each_kind_is_its_own() {
        check(Kinds::ALL, &Alarm::ALL);
        check(Kinds::NONE, &[]);
        for alarm in Alarm::ALL {
            check(Kinds::NONE.with(alarm), &[alarm]);
            check(Kinds::of(&[alarm]).without(alarm), &[]);
            check(Kinds::ALL.without(alarm).and(Kinds::of(&[alarm])), &Alarm::ALL);
        }
    }
}
