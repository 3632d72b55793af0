//! Which messages leave nothing behind in memory?
//!
//! The value of a secret is overwritten wherever a message that holds it ends, be it a copy that somebody
//! made on the way. What lies in buffers of the network meanwhile is not ours to reach.

use zeroize::Zeroize as _;

use crate::config::v1::SecretSpec;

impl Drop for SecretSpec {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}
