//! Is a part read in one spelling of base64url only? (RFC 7515 §2, RFC 4648 §3.5)
//!
//! What is not part of the signature is signed as it is spelled, so that nothing but the spelling is
//! wrong.

use crate::group::Group;
use crate::made::{Holder, claims, holders, parts};

/// Texts that decoders let pass at the end, at the front or inside.
const STRAY: [&str; 16] = [
    "=", "==", "===", "====", " ", "  ", "\n", "\r\n", "\t", "\0", "+", "/", "%3D", "%",
    "\u{feff}", "\u{a0}",
];

/// The parts with another text in place of one of them.
fn rebuilt(holder: &Holder, good: &str, at: usize, text: &str) -> String {
    let [header, payload, _] = parts(good);
    match at {
        0 => holder.raw(text, payload),
        1 => holder.raw(header, text),
        _ => format!("{header}.{payload}.{text}"),
    }
}

/// The other last characters that stand for the same bytes.
fn twins(part: &str) -> Vec<String> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let stray_bits = match part.len() % 4 {
        2 => 4,
        3 => 2,
        _ => return Vec::new(),
    };
    let (before, last) = part.split_at(part.len() - 1);
    let place = ALPHABET.iter().position(|one| one == &last.as_bytes()[0]).unwrap();
    (1..1 << stray_bits)
        .map(|bits| format!("{before}{}", char::from(ALPHABET[place | bits])))
        .collect()
}

#[test]
fn a_part_has_one_spelling() {
    let mut group = Group::of("modified padding");
    for holder in holders() {
        // White space behind the object makes parts of every length, so that some have stray bits.
        let payload = format!("{} ", claims());
        for header in [holder.header().to_string(), format!("{}  ", holder.header())] {
            let good = holder.written(header, &payload);
            group.check("as it should be", &good, holder, true);
            for (at, part) in parts(&good).into_iter().enumerate() {
                let mut try_one = |case: &str, text: &str| {
                    group.check(case, &rebuilt(holder, &good, at, text), holder, false);
                };
                for stray in STRAY {
                    try_one(&format!("{stray:?} behind part {at}"), &format!("{part}{stray}"));
                    try_one(&format!("{stray:?} before part {at}"), &format!("{stray}{part}"));
                    let (front, rest) = part.split_at(part.len() / 2);
                    try_one(&format!("{stray:?} in part {at}"), &format!("{front}{stray}{rest}"));
                }
                for twin in twins(part) {
                    try_one(&format!("stray bits in part {at}"), &twin);
                }
                try_one(&format!("part {at} is empty"), "");
                if part.contains(['-', '_']) {
                    let other = part.replace('-', "+").replace('_', "/");
                    try_one(&format!("part {at} in the other alphabet"), &other);
                }
                // Not signed anew: what is left may be another good spelling of another text.
                for cut in 1..=3 {
                    let short = good.replacen(part, part.get(..part.len() - cut).unwrap(), 1);
                    group.check(&format!("part {at} cut by {cut}"), &short, holder, false);
                }
            }
        }
    }
    group.ends(2_000);
}

#[test]
fn a_token_has_three_parts() {
    let mut group = Group::of("number of parts");
    for holder in holders() {
        let good = holder.token();
        let [header, payload, signature] = parts(&good);
        let (message, _) = good.rsplit_once('.').unwrap();
        for (case, token) in [
            ("nothing", String::new()),
            ("dots", "..".to_owned()),
            ("no dot", good.replace('.', "")),
            ("stripped", message.to_owned()),
            ("stripped with a dot", format!("{message}.")),
            ("dot behind", format!("{good}.")),
            ("dot before", format!(".{good}")),
            ("two dots", format!("{header}..{payload}.{signature}")),
            ("five parts, as a JWE", format!("{header}.{payload}.{signature}.{payload}.{header}")),
            ("four parts", format!("{good}.{signature}")),
            ("detached", format!("{header}..{signature}")),
            ("without header", format!(".{payload}.{signature}")),
            ("turned around", format!("{signature}.{payload}.{header}")),
            ("twice", format!("{good}{good}")),
            ("twice with a space", format!("{good} {good}")),
            (
                "JSON",
                format!(
                    "{{\"payload\":\"{payload}\",\"protected\":\"{header}\",\"signature\":\"{signature}\"}}"
                ),
            ),
            (
                "JSON with a list",
                format!(
                    "{{\"payload\":\"{payload}\",\"signatures\":[{{\"protected\":\"{header}\",\"signature\":\"{signature}\"}}]}}"
                ),
            ),
            ("space before", format!(" {good}")),
            ("line end behind", format!("{good}\n")),
            ("NUL behind", format!("{good}\0")),
            ("longer than is read", format!("{good}{}", "A".repeat(40_000))),
        ] {
            group.check(case, &token, holder, false);
        }
        group.check("as it should be", &good, holder, true);
    }
    group.ends(200);
}
