//! Is nothing believed that must not be, whichever algorithm it is said to be of?
//!
//! Vectors in the manner of the JWS and JWK suites of Wycheproof (`testvectors_v1`), made anew on every
//! run for every algorithm that is taken. Each group has good ones too: a verifier that refuses
//! everything fails. The groups print how many passed: `cargo test -p jose --test vectors -- --nocapture`.

#[cfg(test)]
mod ecdsa;
#[cfg(test)]
mod ed25519;
#[cfg(test)]
mod group;
#[cfg(test)]
mod headers;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod made;
#[cfg(test)]
mod padding;
#[cfg(test)]
mod payloads;
#[cfg(test)]
mod primitives;
#[cfg(test)]
mod rsa;
#[cfg(test)]
mod rsa_keys;
#[cfg(test)]
mod signatures;
