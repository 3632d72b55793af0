//! May these changes be made?

mod admit;
mod cross;
mod good;
mod tenants;

pub use admit::{Admitted, Change, admit};
pub use good::admit_good;
pub use tenants::is_for_all_tenants;
