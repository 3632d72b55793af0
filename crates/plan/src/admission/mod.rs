//! May these changes be made?

mod admit;
mod cross;
mod good;

pub use admit::{Admitted, Change, admit};
pub use good::admit_good;
