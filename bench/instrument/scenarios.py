"""What is measured: the work that is asked for, and the load that is put on."""

from dataclasses import dataclass, replace

TOKENS, CLIENTS = 10_000, 1000
# Asked for each call and never reached.
NEVER = 1_000_000


@dataclass(frozen=True)
class Scenario:
    name: str
    note: str
    tokens: int = 0        # distinct JWTs in the load; 0: nobody checks one
    limit: bool = False    # subscription, limit per consumer, usage event (peers: limit and log line)
    limits: str = ""       # four limits for each call, counted in this way, and no usage event; only the gateway
    headers: bool = False  # two request fields set, one removed; three answer fields set, one removed
    size: int = 128        # bytes of the answer
    post: int = 0          # bytes of the request body; 0: GET
    tls: bool = False
    http2: bool = False
    routes: int = 1000
    called: int = 0        # how many of the routes are called; 0: all
    rate: bool = False     # open loop at half of what nginx can do; else as fast as it goes
    connections: int = 64

    @property
    def jwt(self):
        return self.tokens > 0

    @property
    def calls(self):
        """Which token of which client calls which route, in the order of the calls, over and over."""
        called, tokens = self.called or self.routes, max(self.tokens, 1)
        # Under TLS a request more costs its client more than its proxy; the routes are walked all the same.
        count = max(self.tokens, 64 if self.post > 4096 else min(called, 20_000))
        return [(n % tokens, n % tokens % CLIENTS, n % called) for n in range(count)]

    @property
    def file(self):
        """What the backend is asked for below the context."""
        return "items/42" if self.size == 128 else "items/large"


_ALL = [
    Scenario("s1", "plain proxy, 1,000 routes, GET 128 B"),
    Scenario("s1-16k", "S1 with an answer of 16 KiB", size=16_384),
    Scenario("s1-post1k", "S1, POST 1 KiB", post=1024),
    Scenario("s1-post64k", "S1, POST 64 KiB", post=65_536),
    Scenario("s1-tls", "S1 under TLS 1.3", tls=True),
    Scenario("s1-h2", "S1 over h2 and TLS, 16 connections of 10 streams", tls=True, http2=True, connections=16),
    Scenario("routes-10", "S1 with 10 routes", routes=10),
    Scenario("routes-100k", "S1 with 100,000 routes", routes=100_000),
    Scenario("s2-hot", "S1 and JWT RS256, one token, one route called", tokens=1, called=1),
    Scenario("s2-10k-hot", "S1 and JWT RS256, 10,000 tokens, one route called", tokens=TOKENS, called=1),
    Scenario("s2-walk", "S1 and JWT RS256, one token, 1,000 routes called", tokens=1),
    Scenario("s2-10k", "S1 and JWT RS256, 10,000 tokens, 1,000 routes called", tokens=TOKENS),
    Scenario("s3", "S2 with 10,000 tokens and subscription, limit, usage event", tokens=TOKENS, limit=True),
    Scenario("s4", "S3 and header rules, GET 16 KiB", tokens=TOKENS, limit=True, headers=True, size=16_384),
    Scenario("lat-s1", "S1, open loop at half of nginx's rate", rate=True),
]
SCENARIOS = {s.name: s for s in _ALL}
# S2 with 10,000 tokens and four limits for each call: quota and burst of the subscription and of the application.
# Nothing else is switched on, so that what they cost more than S2 is what limits cost.
LIMITED = {
    "s3-limits": replace(SCENARIOS["s2-10k"], name="s3-limits", limits="in_process", note="each gateway counts for itself"),
    "s3-limits-lease": replace(SCENARIOS["s2-10k"], name="s3-limits-lease", limits="lease", note="leases by Redis"),
}
