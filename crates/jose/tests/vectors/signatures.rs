//! Does a signature hold only as it was made, byte for byte?

use jose::SigningKey;
use serde_json::json;

use crate::group::Group;
use crate::made::{Holder, changed, claims, holders, parts, signature, with_signature};

#[test]
fn a_changed_signature_does_not_hold() {
    let mut group = Group::of("modified signature");
    for holder in holders() {
        let good = holder.token();
        let made = signature(&good);
        group.check("as it should be", &good, holder, true);
        let mut try_one = |case: &str, signature: &[u8]| {
            group.check(case, &with_signature(&good, signature), holder, false);
        };
        for at in (0..made.len()).step_by(7).chain([made.len() - 1]) {
            for bit in [0, 3, 7] {
                let mut bent = made.clone();
                bent[at] ^= 1 << bit;
                try_one(&format!("bit {bit} of byte {at}"), &bent);
            }
        }
        for end in [&[0][..], &[0xff], &[0; 2], b"=", &made] {
            try_one(&format!("{} bytes behind", end.len()), &[&made, end].concat());
            try_one(&format!("{} bytes before", end.len()), &[end, &made].concat());
        }
        for cut in [1, 2, made.len() / 2, made.len() - 1] {
            try_one(&format!("without the last {cut}"), &made[..made.len() - cut]);
            try_one(&format!("without the first {cut}"), &made[cut..]);
        }
        for byte in [0, 1, 0x7f, 0x80, 0xff] {
            try_one(&format!("all {byte}"), &vec![byte; made.len()]);
        }
        let turned: Vec<u8> = made.iter().rev().copied().collect();
        try_one("turned around", &turned);
        let half = made.len() / 2;
        try_one("halves swapped", &[&made[half..], &made[..half]].concat());
        try_one("one half twice", &[&made[..half], &made[..half]].concat());
    }
    group.ends(700);
}

#[test]
fn a_signature_is_of_this_text_and_this_key() {
    let mut group = Group::of("signature of something else");
    for holder in holders() {
        let good = holder.token();
        let [header, payload, made] = parts(&good);
        let raised = changed(claims(), &json!({ "sub": "root" })).to_string();
        let other = holder.written(holder.header().to_string(), &raised);
        let [_, raised_payload, raised_made] = parts(&other);
        let swapped = format!("{header}.{raised_payload}.{made}");
        group.check("another payload", &swapped, holder, false);
        group.check(
            "another signature",
            &format!("{header}.{payload}.{raised_made}"),
            holder,
            false,
        );
        let header_only = holder.key.signature(header.as_bytes()).unwrap();
        group.check("of the header", &with_signature(&good, header_only), holder, false);
        let payload_only = holder.key.signature(payload.as_bytes()).unwrap();
        group.check("of the payload", &with_signature(&good, payload_only), holder, false);
        let decoded = [holder.header().to_string(), claims().to_string()].join(".");
        let of_decoded = holder.key.signature(decoded.as_bytes()).unwrap();
        group.check("of the decoded text", &with_signature(&good, of_decoded), holder, false);
        let nothing = holder.key.signature(b"").unwrap();
        group.check("of nothing", &with_signature(&good, nothing), holder, false);
        // A key of the same kind, under the right name.
        let der = match holder.key.algorithm().name().as_bytes() {
            [b'R' | b'P', ..] => SigningKey::generate(jose::Algorithm::RS256),
            _ => SigningKey::generate(holder.key.algorithm()),
        };
        let der = der.unwrap().to_pkcs8().unwrap();
        let thief = Holder::of(SigningKey::from_pkcs8(holder.key.algorithm(), &der).unwrap());
        let stolen = thief.written(holder.header().to_string(), claims().to_string());
        group.check("another key", &stolen, holder, false);
        let own = changed(holder.header(), &json!({ "jwk": thief.key.public_jwk() })).to_string();
        let shown = thief.written(own, claims().to_string());
        group.check("another key that is shown", &shown, holder, false);
    }
    group.ends(80);
}
