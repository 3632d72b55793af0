//! How is a lock taken that somebody may have held in a panic?

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a lock guards, as it is: everything that is guarded here is whole between any two steps.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
