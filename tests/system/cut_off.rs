//! What does a gateway do that hears nothing of revocations any more, and what do the others?

use std::time::{Duration, Instant};

use harness::resources::api;
use harness::{Cable, Client, eventually};

use crate::fleet::{Call, End, Fleet, GATEWAYS, REVOKED};

const GOES_ON: &str = "/orders/1.0.0/items/7";
const REFUSES: &str = "/strict/1.0.0/items/7";
const AWAY: &str = "503 101503";
/// After it is heard again, what was revoked meanwhile is refused within this.
const HEALED: Duration = Duration::from_secs(2);

/// When the gateway knew every revocation last, as it tells those who watch it.
async fn known_at(fleet: &Fleet, number: usize) -> u64 {
    let metrics = Client::new(fleet.gateways[number].operations()).get("/metrics").await;
    let text = String::from_utf8_lossy(&metrics.body).into_owned();
    let name = "turnpike_revocations_known_timestamp_seconds ";
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no figure in {text}")).parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_the_bound_a_gateway_does_as_the_api_says_and_the_others_go_on() {
    let strict = api("strict", "BACKEND", &["Unlimited"]).replace(
        "  operations:",
        "  security: { revocations: { beyond: refuse, maxAge: 2s } }\n  operations:",
    );
    let mut fleet =
        Fleet::start(GATEWAYS, &[api("orders", "BACKEND", &["Unlimited"]), strict].concat()).await;
    let shop = fleet.app("shop", &["orders", "strict"]).await;
    fleet.publish().await;
    let good = fleet.token(&shop, None).await;
    let [goes_on, refuses] = [GOES_ON, REFUSES].map(|target| Call::new(target, &good));
    let all: Vec<usize> = (0..GATEWAYS).collect();
    for (cut, cable) in [(0, Cable::Cut), (1, Cable::Frozen)] {
        let others: Vec<usize> = all.iter().copied().filter(|number| *number != cut).collect();
        let revoked = fleet.token(&shop, None).await;
        let [late, never] = [GOES_ON, REFUSES].map(|target| Call::new(target, &revoked));
        for call in [&goes_on, &refuses, &late, &never] {
            fleet.becomes(&all, call, "200").await;
        }
        fleet.links[cut].set(cable);
        fleet.end("revoked", &End::Token(revoked)).await;
        for call in [&late, &never] {
            fleet.becomes(&others, call, REVOKED).await;
        }
        // Here nobody has heard of it. One API goes on, the other one does not.
        fleet.becomes(&[cut], &never, AWAY).await;
        fleet.becomes(&[cut], &refuses, AWAY).await;
        fleet.becomes(&[cut], &goes_on, "200").await;
        fleet.becomes(&[cut], &late, "200").await;
        let forged = Call::new(REFUSES, &format!("{good}x"));
        fleet.becomes(&[cut], &forged, REVOKED).await;
        for call in [&goes_on, &refuses] {
            fleet.becomes(&others, call, "200").await;
        }
        let (old, new) = (known_at(&fleet, cut).await, known_at(&fleet, others[0]).await);
        assert!(old + 1 < new, "the one that is cut off says so: {old}, {new}");

        fleet.links[cut].set(Cable::Whole);
        let healed = Instant::now();
        let client = || fleet.gateways[cut].client();
        eventually("the gateway refuses what was revoked meanwhile", 10 * HEALED, async || {
            let said = crate::fleet::said(&mut client(), &late).await;
            (said.as_deref() == Some(REVOKED)).then_some(())
        })
        .await;
        println!("{cable:?}: refused {:?} after the cable was whole", healed.elapsed());
        assert!(healed.elapsed() < HEALED, "{:?}", healed.elapsed());
        fleet.becomes(&[cut], &never, REVOKED).await;
        fleet.becomes(&[cut], &refuses, "200").await;
    }
}
