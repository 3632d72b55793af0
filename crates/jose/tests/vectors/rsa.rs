//! Does an RSA signature hold only with the padding of its algorithm, to the last byte? (RFC 8017)
//!
//! The padding is written by hand under a real key, so that nothing but the padding is wrong.

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512, digest};
use jose::Algorithm;
use num_bigint::BigUint;

use crate::group::Group;
use crate::made::{Holder, holder, parts, signature, with_signature};

/// Numbers of a private key, which never leave `SigningKey` but in PKCS#8.
struct Private {
    n: BigUint,
    d: BigUint,
}

impl Private {
    fn of(holder: &Holder) -> Self {
        let der = holder.key.to_pkcs8().unwrap();
        let (info, _) = value(&der);
        let (_version, rest) = value(info);
        let (_algorithm, rest) = value(rest);
        let (key, _) = value(rest);
        let (key, _) = value(key);
        let mut numbers = Vec::new();
        let mut rest = key;
        while !rest.is_empty() {
            let (number, behind) = value(rest);
            numbers.push(BigUint::from_bytes_be(number));
            rest = behind;
        }
        Self { n: numbers[1].clone(), d: numbers[3].clone() }
    }

    /// The signature whose padded text is `text`, of 256 bytes.
    fn sign(&self, text: &[u8]) -> Vec<u8> {
        fixed(&BigUint::from_bytes_be(text).modpow(&self.d, &self.n))
    }
}

/// The content of a DER value, and what follows it.
fn value(der: &[u8]) -> (&[u8], &[u8]) {
    let (length, head) = match der[1] {
        short @ 0..=0x7f => (usize::from(short), 2),
        long => {
            let bytes = usize::from(long & 0x7f);
            (der[2..2 + bytes].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), 2 + bytes)
        }
    };
    (&der[head..head + length], &der[head + length..])
}

fn fixed(number: &BigUint) -> Vec<u8> {
    let shown = number.to_bytes_be();
    [vec![0; 256_usize.saturating_sub(shown.len())], shown].concat()
}

fn hash(algorithm: Algorithm) -> &'static digest::Algorithm {
    match algorithm.name().get(2..) {
        Some("256") => &SHA256,
        Some("384") => &SHA384,
        _ => &SHA512,
    }
}

/// `DigestInfo` (RFC 8017 §9.2, notes 1) with this hash identifier and these parameters.
fn digest_info(algorithm: Algorithm, parameters: &[u8], sum: &[u8]) -> Vec<u8> {
    let last = match algorithm.name().get(2..) {
        Some("256") => 1,
        Some("384") => 2,
        _ => 3,
    };
    let oid = [0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, last];
    let identifier = der(0x30, &[&oid[..], parameters].concat());
    der(0x30, &[identifier, der(0x04, sum)].concat())
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
}

/// `0x00 0x01 0xff … 0x00` before this text (§9.2).
fn padded(text: &[u8]) -> Vec<u8> {
    [&[0, 1][..], &vec![0xff; 253 - text.len()], &[0], text].concat()
}

const NULL: &[u8] = &[0x05, 0x00];

#[test]
fn a_padding_of_version_1_5_is_the_one_padding() {
    let mut group = Group::of("RSA PKCS#1 v1.5 padding");
    for algorithm in [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512] {
        let holder = holder(algorithm);
        let private = Private::of(holder);
        let good = holder.token();
        let (message, _) = good.rsplit_once('.').unwrap();
        let sum = digest(hash(algorithm), message.as_bytes()).as_ref().to_vec();
        let info = digest_info(algorithm, NULL, &sum);
        let right = padded(&info);
        assert_eq!(private.sign(&right), signature(&good), "the hand writes what the key signs");
        let with = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut text = right.clone();
            change(&mut text);
            text
        };
        // The whole text moved to the front, with garbage behind the hash (Bleichenbacher 2006).
        let garbage = |pad: usize, fill: u8| {
            let mut text = [&[0, 1][..], &vec![0xff; pad], &[0], &info].concat();
            text.resize(256, fill);
            text
        };
        let long_form = {
            let identifier = digest_info(algorithm, NULL, &sum)[2..17].to_vec();
            let octets = [&[0x04, 0x81, u8::try_from(sum.len()).unwrap()][..], &sum].concat();
            der(0x30, &[identifier, octets].concat())
        };
        let outer_long = {
            let content = &info[2..];
            [&[0x30, 0x81, u8::try_from(content.len()).unwrap()][..], content].concat()
        };
        let indefinite = [&[0x30, 0x80][..], &info[2..], &[0, 0]].concat();
        let other_hash = [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512]
            .into_iter()
            .find(|other| *other != algorithm)
            .unwrap();
        let other_sum = digest(hash(other_hash), message.as_bytes()).as_ref().to_vec();
        let cases = [
            ("block type 0", with(&|text| text[1] = 0)),
            ("block type 2", with(&|text| text[1] = 2)),
            ("first byte", with(&|text| text[0] = 1)),
            ("first fill", with(&|text| text[2] = 0)),
            ("a fill in the middle", with(&|text| text[40] = 0xfe)),
            ("last fill", with(&|text| text[255 - info.len() - 1] = 0xfe)),
            ("no separator", with(&|text| text[255 - info.len()] = 0xff)),
            ("eight fills, garbage of zeros", garbage(8, 0)),
            ("eight fills, garbage of ones", garbage(8, 0xff)),
            ("no fill", garbage(0, 0x5a)),
            ("one byte behind the hash", garbage(252 - info.len(), 0)),
            ("no parameters", padded(&digest_info(algorithm, &[], &sum))),
            ("other parameters", padded(&digest_info(algorithm, &[0x05, 0x01, 0x00], &sum))),
            (
                "parameters with garbage",
                padded(&digest_info(
                    algorithm,
                    &[
                        0x04, 0x20, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
                        7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
                    ],
                    &sum,
                )),
            ),
            ("long form of a length", padded(&long_form)),
            ("long form of the outer length", padded(&outer_long)),
            ("no length", padded(&indefinite)),
            ("bare hash", padded(&sum)),
            ("hash in octets", padded(&der(0x04, &sum))),
            ("short hash", padded(&digest_info(algorithm, NULL, &sum[..sum.len() - 1]))),
            ("empty hash", padded(&digest_info(algorithm, NULL, &[]))),
            ("another hash under this name", padded(&digest_info(algorithm, NULL, &other_sum))),
            ("this hash under another name", padded(&digest_info(other_hash, NULL, &sum))),
            ("another hash", padded(&digest_info(other_hash, NULL, &other_sum))),
            ("zeros before the info", {
                let text = [&[0, 1][..], &vec![0xff; 250 - info.len()], &[0; 4], &info].concat();
                text[..256].to_vec()
            }),
        ];
        for (case, text) in cases {
            let made = private.sign(&text);
            group.check(case, &with_signature(&good, made), holder, false);
        }
        group.check("written by hand", &with_signature(&good, private.sign(&right)), holder, true);
    }
    group.ends(78);
}

/// MGF1 (RFC 8017 §B.2.1).
fn mask(hash: &'static digest::Algorithm, seed: &[u8], length: usize) -> Vec<u8> {
    let block = |count: u32| digest(hash, &[seed, &count.to_be_bytes()].concat()).as_ref().to_vec();
    let mut mask: Vec<u8> = (0_u32..16).flat_map(block).collect();
    mask.truncate(length);
    mask
}

/// How a PSS text is written; as it should be by default.
struct Pss {
    hash: &'static digest::Algorithm,
    mask_hash: &'static digest::Algorithm,
    salt: usize,
    separator: u8,
    fill: u8,
    trailer: u8,
    top: u8,
}

impl Pss {
    /// EMSA-PSS (§9.1.1) for a modulus of 2048 bits.
    fn text(&self, message: &[u8]) -> Vec<u8> {
        let length = self.hash.output_len();
        let salt = vec![0x5a; self.salt];
        let sum = digest(self.hash, message);
        let inner = digest(self.hash, &[&[0; 8], sum.as_ref(), &salt].concat());
        let fills = 256 - length - 1 - salt.len() - 1;
        let block = [vec![self.fill; fills - 1], vec![0; 1], vec![self.separator], salt].concat();
        let block = if fills == 0 { block[1..].to_vec() } else { block };
        let mask = mask(self.mask_hash, inner.as_ref(), block.len());
        let mut text: Vec<u8> = block.iter().zip(mask).map(|(one, other)| one ^ other).collect();
        text[0] = text[0] & 0x7f | self.top;
        [&text, inner.as_ref(), &[self.trailer]].concat()
    }
}

#[test]
fn a_probabilistic_padding_has_a_salt_as_long_as_its_hash() {
    let mut group = Group::of("RSA PSS padding");
    for algorithm in [Algorithm::PS256, Algorithm::PS384, Algorithm::PS512] {
        let holder = holder(algorithm);
        let private = Private::of(holder);
        let good = holder.token();
        let (message, _) = good.rsplit_once('.').unwrap();
        let hash = hash(algorithm);
        let length = hash.output_len();
        let other = if algorithm == Algorithm::PS256 { &SHA384 } else { &SHA256 };
        let right = || Pss {
            hash,
            mask_hash: hash,
            salt: length,
            separator: 1,
            fill: 0,
            trailer: 0xbc,
            top: 0,
        };
        let mut try_one = |case: &str, pss: &Pss, believed: bool| {
            let made = private.sign(&pss.text(message.as_bytes()));
            group.check(case, &with_signature(&good, made), holder, believed);
        };
        try_one("written by hand", &right(), true);
        for salt in [0, 1, 8, 20, length - 1, length + 1, 2 * length - 1, 253 - length] {
            if salt != length && salt + length + 2 < 256 {
                try_one(&format!("a salt of {salt}"), &Pss { salt, ..right() }, false);
            }
        }
        try_one("another hash for the mask", &Pss { mask_hash: other, ..right() }, false);
        let whole = Pss { hash: other, mask_hash: other, salt: other.output_len(), ..right() };
        try_one("another hash", &whole, false);
        for trailer in [0, 0xcc, 0xbd, 0xff] {
            try_one(&format!("trailer {trailer:#x}"), &Pss { trailer, ..right() }, false);
        }
        for separator in [0, 2, 0xff] {
            try_one(&format!("separator {separator}"), &Pss { separator, ..right() }, false);
        }
        try_one("fill", &Pss { fill: 1, ..right() }, false);
    }
    group.ends(48);
}

#[test]
fn the_number_is_below_the_modulus_and_as_long() {
    let mut group = Group::of("RSA numbers");
    for algorithm in Algorithm::ALL.into_iter().filter(|one| one.name().starts_with(['R', 'P'])) {
        let holder = holder(algorithm);
        let n = Private::of(holder).n;
        let good = holder.token();
        let made = BigUint::from_bytes_be(&signature(&good));
        let one = BigUint::from(1_u32);
        let mut try_one = |case: &str, number: &BigUint, believed: bool| {
            group.check(case, &with_signature(&good, fixed(number)), holder, believed);
        };
        try_one("as it should be", &made, true);
        for (case, number) in [
            ("0", BigUint::ZERO),
            ("1", one.clone()),
            ("n - 1", &n - 1_u32),
            ("n", n.clone()),
            ("n + 1", &n + 1_u32),
            ("s + n", &made + &n),
            ("n - s", &n - &made),
            ("s * 2^8", &made << 8_u32),
            ("all ones", (one << 2048_u32) - 1_u32),
        ] {
            try_one(case, &number, false);
        }
        let minimal = [&[0], signature(&good).as_slice()].concat();
        group.check("a zero before", &with_signature(&good, minimal), holder, false);
        let [header, payload, _] = parts(&good);
        let unpadded = format!("{header}.{payload}.{}", crate::made::b64(&signature(&good)[1..]));
        group.check("without the first byte", &unpadded, holder, false);
    }
    group.ends(72);
}
