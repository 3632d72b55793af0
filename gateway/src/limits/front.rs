//! Which meter counts for a user or an address that was here a moment ago?
//!
//! Meters of many subjects stand behind locks that workers share. Each worker remembers those that it
//! has asked for, so that who calls often costs no lock and takes no memory.

use std::cell::RefCell;
use std::sync::Arc;

use plan::Keyed;
use throttle::{Crowded, Meter, Subject};

/// How many meters a worker remembers; made when the first comes.
const PLACES: usize = 4096;

/// The meters that a worker has met.
#[derive(Debug, Default)]
pub struct Front(RefCell<Vec<Place>>);

/// Whoever comes to the same place displaces who was there.
type Place = Option<(Subject, Arc<Meter>)>;

impl Front {
    /// The meter of a subject.
    pub fn meter(
        &self,
        keyed: &Keyed,
        subject: Subject,
        now_us: u64,
    ) -> Result<Arc<Meter>, Crowded> {
        let mut places = self.0.borrow_mut();
        if places.is_empty() {
            places.resize_with(PLACES, || None);
        }
        let Some(place) = places.get_mut(place(subject)) else {
            return keyed.meter(subject, now_us);
        };
        if let Some((known, meter)) = place
            && *known == subject
            && !meter.is_retired()
        {
            return Ok(Arc::clone(meter));
        }
        let meter = keyed.meter(subject, now_us)?;
        *place = Some((subject, Arc::clone(&meter)));
        Ok(meter)
    }
}

/// The name is a digest: any two bytes of it will do.
fn place(subject: Subject) -> usize {
    let [.., high, low] = subject.0;
    usize::from(u16::from_be_bytes([high, low])) % PLACES
}
