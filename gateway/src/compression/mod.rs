//! Which answers are compressed, and how?
//!
//! Only what comes uncompressed, and only for who takes it. The coding is chosen from what the
//! client says (`choose`), the head is made to fit (`answer`), and the body is encoded part by part
//! as it comes (`squeeze`): what a backend has sent is never held back to compress it better.

mod answer;
mod choose;
mod encoder;
mod squeeze;

pub use answer::compress;
pub use encoder::Encoders;
