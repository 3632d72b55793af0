//! Do gateways that count together never let in more than the limit, whatever becomes of them and of who
//! counts?

use std::time::{Duration, Instant};

use bytes::Bytes;
use harness::{Cable, Client, Gateway, Link, Stack, eventually, resources};

/// Gateways beside the one of the stack, which shares the limits, too, and gets no calls.
const GATEWAYS: usize = 3;

/// A system whose application `app` has subscribed to one API for each of the tiers.
struct Ground {
    stack: Stack,
    gateways: Vec<Gateway>,
    link: Link,
    token: String,
    _backend: harness::Backend,
}

/// What came of calls.
#[derive(Clone, Copy, Debug, Default)]
struct Came {
    /// 200,
    passed: u64,
    /// 429,
    refused: u64,
    /// and anything else.
    otherwise: u64,
}

impl Ground {
    /// `tiers`: names, which are those of the APIs as well, and what their `spec` says. The last gateway is
    /// reached by the control plane over a link.
    async fn start(tiers: &[(&str, &str)]) -> Self {
        let (stack, backend) =
            (Stack::start_uncounted(&[]).await, harness::Backend::start("b").await);
        let mut all = resources::application("app", &[]);
        all += &resources::api("ready", &backend.url(), &["Unlimited"]);
        all += &resources::subscription("app", "ready", "Unlimited");
        for (name, spec) in tiers {
            all += &tier(name, spec);
            all += &resources::api(&name.to_lowercase(), &backend.url(), &[name]);
            all += &resources::subscription("app", &name.to_lowercase(), name);
        }
        let link = Link::to(&stack.rpc("control-plane")).await;
        let mut gateways = Vec::new();
        for number in 1..=GATEWAYS {
            let address =
                if number == GATEWAYS { link.address() } else { stack.rpc("control-plane") };
            gateways.push(Gateway::under(&stack, &format!("gateway-{number}"), &address).await);
        }
        stack.apply(&all).await;
        stack.generate_keys("app").await;
        let token = stack.token("app").await;
        let ground = Self { stack, gateways, link, token, _backend: backend };
        for place in 0..GATEWAYS {
            ground.knows(place).await;
        }
        ground
    }

    /// Waits until a gateway knows the application, by calls that no limit counts.
    async fn knows(&self, place: usize) {
        eventually("the application is known", Duration::from_secs(10), async || {
            (self.call(place, "ready", 1).await.passed == 1).then_some(())
        })
        .await;
    }

    fn client(&self, place: usize) -> Client {
        Client::new(self.gateways[place].http()).with_token(&self.token)
    }

    /// Makes so many calls one after the other.
    async fn call(&self, place: usize, api: &str, calls: u64) -> Came {
        let (mut client, mut came) = (self.client(place), Came::default());
        for _ in 0..calls {
            came.add(&mut client, api).await;
        }
        came
    }

    /// Makes calls at these paces, one per gateway, for so long.
    async fn load(
        &self,
        api: &str,
        per_second: [u64; GATEWAYS],
        span: Duration,
    ) -> [Came; GATEWAYS] {
        let one = async |place: usize| {
            let (mut client, mut came) = (self.client(place), Came::default());
            let begun = Instant::now();
            let pace = per_second[place].max(1);
            for number in 0.. {
                let at = Duration::from_micros(number * 1_000_000 / pace);
                if at >= span || per_second[place] == 0 {
                    break;
                }
                tokio::time::sleep_until((begun + at).into()).await;
                came.add(&mut client, api).await;
            }
            came
        };
        let (first, second, third) = tokio::join!(one(0), one(1), one(2));
        [first, second, third]
    }
}

impl Came {
    async fn add(&mut self, client: &mut Client, api: &str) {
        let target = format!("/{api}/1.0.0/items/1");
        let answer = client.try_call("GET", &target, &[], Bytes::new()).await;
        match answer.map(|answer| answer.status.as_u16()) {
            Ok(200) => self.passed += 1,
            Ok(429) => self.refused += 1,
            _ => self.otherwise += 1,
        }
    }
}

fn tier(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: turnpike/v1\nkind: Tier\nmetadata: {{ name: {name} }}\nspec: {{ {spec} }}\n"
    )
}

fn check(story: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(story());
}

#[test]
fn a_quota_is_used_up_once_whoever_dies() {
    check(async || {
        let spec = "quota: { requests: 200, per: 3600s }, \
                    counting: { strategy: lease, onFailure: closed }";
        let mut ground = Ground::start(&[("Hour", spec)]).await;
        let mut passed = 0;
        for place in 0..GATEWAYS {
            let came = ground.call(place, "hour", 20).await;
            // Where the disk is slow some come before their units are written down.
            assert!(came.refused == 0 && came.passed > 0, "{place}: {came:?}");
            passed += came.passed;
        }
        // What the dead ones had in hand is gone; what was counted is not.
        ground.gateways[0].kill();
        ground.stack.kill("control-plane");
        let came = ground.call(1, "hour", 40).await;
        passed += came.passed;
        assert!(came.otherwise > 0 && came.refused == 0, "nobody counts: {came:?}");
        ground.stack.restart("control-plane").await;
        eventually("calls are counted again", Duration::from_secs(10), async || {
            let came = ground.call(1, "hour", 1).await;
            (came.otherwise == 0).then_some(())
        })
        .await;
        // That call may have passed.
        let came = ground.load("hour", [0, 100, 60], Duration::from_secs(4)).await;
        passed += came.iter().map(|came| came.passed).sum::<u64>();
        assert!((150..=200).contains(&passed), "{passed}: {came:?}");
        assert!(came[1].refused > 0 && came[2].refused > 0, "{came:?}");

        // More of it counts at once, and what is used stays used.
        let more = spec.replace("200", "260");
        ground.stack.apply(&tier("Hour", &more)).await;
        ground.gateways[0].restart().await;
        ground.knows(0).await;
        let came = ground.load("hour", [60, 60, 60], Duration::from_secs(3)).await;
        let more: u64 = came.iter().map(|came| came.passed).sum();
        assert!(more >= 40, "{more}: {came:?}");
        assert!(passed + more <= 260, "{passed} + {more}");
    });
}

#[test]
fn a_pace_is_one_for_all_gateways_wherever_the_calls_come() {
    check(async || {
        let spec = "burst: { requests: 50, per: 1s }, \
                    counting: { strategy: lease, onFailure: closed }";
        let ground = Ground::start(&[("Pace", spec)]).await;
        for paces in [[60, 60, 60], [150, 10, 10], [10, 10, 150]] {
            let begun = Instant::now();
            let came = ground.load("pace", paces, Duration::from_secs(4)).await;
            let passed: u64 = came.iter().map(|came| came.passed).sum();
            // As many at once as the pace says, and as many each second.
            let most = 50 + 50 * u64::try_from(begun.elapsed().as_millis()).unwrap() / 1_000;
            assert!(passed <= most, "{passed} of {most}: {came:?}");
            assert!(passed >= 4 * 40, "{passed} of {most}: {came:?}");
        }
    });
}

#[test]
fn who_cannot_reach_who_counts_does_what_the_tier_says() {
    check(async || {
        let tier = |name, failure: &str| {
            let spec = format!(
                "quota: {{ requests: 40, per: 3600s }}, \
                 counting: {{ strategy: lease, onFailure: {failure} }}"
            );
            (name, spec)
        };
        let tiers = [tier("Open", "open"), tier("Shut", "closed"), tier("Local", "local")];
        let tiers = tiers.each_ref().map(|(name, spec)| (*name, spec.as_str()));
        let ground = Ground::start(&tiers).await;
        for (name, _) in tiers {
            eventually("a call is counted", Duration::from_secs(10), async || {
                (ground.call(2, &name.to_lowercase(), 1).await.passed == 1).then_some(())
            })
            .await;
        }
        ground.link.set(Cable::Cut);
        let open = ground.call(2, "open", 100).await;
        assert_eq!(open.passed, 100, "{open:?}");
        let shut = ground.call(2, "shut", 100).await;
        assert!(shut.passed < 10 && shut.otherwise > 90, "{shut:?}");
        // A part of the limit: of four gateways a quarter, less what came before while units were not yet
        // written down, and what was in hand.
        let local = ground.call(2, "local", 100).await;
        assert!((5..=20).contains(&local.passed) && local.otherwise == 0, "{local:?}");
        ground.link.set(Cable::Whole);
        eventually("calls are counted again", Duration::from_secs(10), async || {
            (ground.call(2, "shut", 1).await.passed == 1).then_some(())
        })
        .await;
    });
}

#[test]
fn parts_of_a_split_limit_go_where_the_calls_are() {
    check(async || {
        let spec = "burst: { requests: 100, per: 1s }, counting: { strategy: split }";
        let ground = Ground::start(&[("Parts", spec)]).await;
        // Until the parts follow; each had a whole burst at its beginning.
        ground.load("parts", [200, 20, 20], Duration::from_secs(4)).await;
        for paces in [[200, 20, 20], [20, 20, 200]] {
            ground.load("parts", paces, Duration::from_secs(3)).await;
            let came = ground.load("parts", paces, Duration::from_secs(4)).await;
            let passed: u64 = came.iter().map(|came| came.passed).sum();
            assert!((320..=440).contains(&passed), "{passed} of 400: {came:?}");
        }
    });
}
