//! Which configuration is in force, where does it come from, and how does it survive a restart?
//!
//! A `state` is the objects and what they mean; it comes from the control plane (`sync`) or from
//! a `directory` of resource files, counts where somebody has `vouched` for it, is put in force by the one who swaps (`publish`, with the
//! listeners' `certificates` and those of `callers` that are believed), and is kept on `disk` (on a
//! `shelf`). A new gateway may start from a `seed`.

mod callers;
mod certificates;
mod directory;
pub mod disk;
mod figures;
mod keep;
mod publish;
pub mod seed;
mod shelf;
mod state;
mod sync;
mod vouched;

pub use callers::Callers;
pub use certificates::{Certificates, InForce};
pub use directory::{Directory, DirectoryError, Problems};
pub use figures::Figures;
pub use keep::Keeping;
pub use publish::Publisher;
pub use shelf::{Shelf, ShelfError};
pub use state::State;
pub use sync::{CONTROL_PLANE, Follower};
pub use vouched::{Unvouched, Vouched};
