//! What stands for a text that is not to be kept?

use aws_lc_rs::digest::{Context, SHA256};

/// The SHA-256 of these parts, one behind the other.
pub fn sha256<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    parts.into_iter().for_each(|part| context.update(part));
    let mut sum = [0; 32];
    // SHA-256 has as many bytes.
    sum.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    sum
}
