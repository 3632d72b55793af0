//! Is every token refused, over HTTP and at a running gateway, that is not what it should be?
//!
//! The numbers are those of the list of attacks in `docs/attacks.md`. Each group shows that a good token
//! comes through, before and after: what is refused is refused for what was changed in it. Nobody is
//! asked for a key meanwhile. Each group prints how many passed.

mod claims;
mod confusion;
mod elsewhere;
mod forge;
mod ground;
mod keys;
mod opaque;
mod shapes;
mod signatures;
mod unsigned;
