//! Attack 13: signatures that hold with everybody's key, or in another form.

use super::forge::{signature, with_signature};
use super::ground::{Ground, Group};

#[tokio::test]
async fn a_signature_holds_in_one_form() {
    let ground = Ground::new().await;
    let mut group = Group::of(&ground, "13, forms of signatures").await;
    for signer in &ground.signers {
        let good = signer.good();
        group.check("the good one", &good, "200").await;
        let made = signature(&good);
        let half = made.len() / 2;
        let (first, second) = made.split_at(half);
        let order = |last: &[u8]| [vec![0xff; half - last.len()], last.to_vec()].concat();
        let one = order(&[]).iter().skip(1).map(|_| 0).chain([1]).collect::<Vec<u8>>();
        let der = {
            let number = |half: &[u8]| {
                [&[2, u8::try_from(half.len() + 1).unwrap_or(0x7f), 0], half].concat()
            };
            let both = [number(first), number(second)].concat();
            [&[0x30, u8::try_from(both.len()).unwrap_or(0x7f)], both.as_slice()].concat()
        };
        let mut turned = made.clone();
        turned.reverse();
        for (case, form) in [
            ("r = s = 0", vec![0; made.len()]),
            ("r = 0", [vec![0; half], second.to_vec()].concat()),
            ("s = 0", [first.to_vec(), vec![0; half]].concat()),
            ("r = s = 1", [one.clone(), one.clone()].concat()),
            ("all ones", vec![0xff; made.len()]),
            ("s all ones", [first, &order(&[])].concat()),
            ("ASN.1", der),
            ("a zero before", [&[0], made.as_slice()].concat()),
            ("a zero behind", [made.as_slice(), &[0]].concat()),
            ("one byte fewer", made[1..].to_vec()),
            ("one byte fewer behind", made[..made.len() - 1].to_vec()),
            ("halves swapped", [second, first].concat()),
            ("one half", first.to_vec()),
            ("turned around", turned),
        ] {
            group.refused(case, &with_signature(&good, &form)).await;
        }
        for at in (0..made.len()).step_by(5) {
            let mut bent = made.clone();
            bent[at] ^= 0x10;
            group.refused(&format!("a bit of byte {at}"), &with_signature(&good, &bent)).await;
        }
    }
    group.ends(110).await;
}
