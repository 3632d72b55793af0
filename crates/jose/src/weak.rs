//! Is this public key one under which others than its holder can sign?
//!
//! Two kinds look like any other key and are worth nothing: RSA moduli of the broken key generation
//! of CVE-2017-15361 (ROCA), which can be factored, and Ed25519 points of small order, under which one
//! signature fits every message: anybody could show that they "hold" such a key.

/// The primes of the fingerprint of CVE-2017-15361 (Nemec et al., CCS 2017, §3) that have remainders
/// which are no power of 65537; the others say nothing. A sound modulus passes all of them with a
/// chance below 2^-27.
const PRIMES: [u32; 17] =
    [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];

/// Whether a modulus (big-endian) is of the kind of CVE-2017-15361: modulo each of these primes it is
/// a power of 65537.
pub(crate) fn is_roca(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|prime| {
        // Both factors stay below 2^16, so nothing overflows.
        let times = |one: u32, other: u32| one.wrapping_mul(other) % prime;
        let rest =
            modulus.iter().fold(0, |rest, byte| (times(rest, 256) + u32::from(*byte)) % prime);
        // Powers come back to 1 after fewer steps than the prime has remainders.
        let powers = std::iter::successors(Some(1), |power| Some(times(*power, 65_537 % prime)));
        powers.take(*prime as usize).any(|power| power == rest)
    })
}

/// The `y` of the points of order 8, little-endian; that of the others of small order is 0, 1 or -1.
const ORDER_8: [[u8; 32]; 2] = [
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

/// Whether an encoded Ed25519 point has an order of at most 8, or has a `y` beyond the field, as
/// only other spellings of points have.
pub(crate) fn is_small_order(point: &[u8]) -> bool {
    let Ok(mut y) = <[u8; 32]>::try_from(point) else { return false };
    // The highest bit is the sign of `x`.
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    let [first, middle @ .., last] = &y;
    let zeros = middle.iter().all(|byte| *byte == 0) && *last == 0;
    let ones = middle.iter().all(|byte| *byte == 0xff) && *last == 0x7f;
    // 0 and 1; -1 is 2^255 - 20, and from 2^255 - 19 on it is beyond the field.
    (zeros && *first <= 1) || (ones && *first >= 0xec) || ORDER_8.contains(&y)
}
