"""Which situations are tried, and what does each print?"""

import json
import os
import time

from . import caller
from .caller import Caller, plan
from .fleet import FREE, STRATEGIES
from .verdict import Limit, judge, quantile

# What each has to come to: least and most of admitted / ideal, in percent.
GOALS = {"strict": (100.0, 100.0), "lease": (98.0, 100.0), "lease-store": (98.0, 100.0),
         "split": {"even": (97.0, 103.0), "else": (90.0, 110.0)}, "in-process": None}
# Calls at both ends of a run that fall before or behind its clock by chance.
ROUNDING = 0.15
HEAD = ("| strategy | gateways | load | limit | admitted / ideal % | least | most | beyond, certain | wrong % | stage p50 us | p99 us | errors | goal |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|")


class Runs:
    def __init__(self, fleet, wanted, out):
        self.fleet, self.wanted, self.out = fleet, wanted, out
        self.results, self.published = [], None

    def say(self, text):
        print(text, file=self.out, flush=True)

    # ------------------------------------------------------------ one run

    def set(self, limit, wanted=None):
        """Puts every stream under this limit."""
        wanted = tuple(wanted or self.wanted)
        if (limit, wanted) != self.published:
            per = f"{limit.per:g}s"
            spec = {"burst" if limit.pace else "quota": {"requests": limit.amount, "per": per}}
            self.fleet.publish(spec, wanted)
            self.published = (limit, wanted)

    def run(self, limit, load, seconds, gateways, offered=1.6, events=(), wanted=None, scheme=None):
        """All strategies at once, each with `offered` times its limit. `events`: (seconds after the start, what)."""
        wanted = tuple(wanted or self.wanted)
        self.set(limit, wanted)
        fleet = self.fleet
        fleet.until_served(fleet.gateways)
        client = Caller(gateway.port for gateway in fleet.gateways)
        streams = [*wanted, FREE]
        requests = {stream: fleet.request(stream) for stream in streams}
        rates = {stream: limit.rate * offered for stream in wanted} | {FREE: limit.rate / 4}
        start = _next_edge(limit)
        scheme = scheme or caller.LOADS[load](gateways)
        calls = plan(streams, requests, rates, start + 0.02, seconds - 0.04, scheme)
        marks = self._marks()
        client.run(calls, [(start + after, lambda do=do: do(client)) for after, do in events])
        client.close()
        stage = self._stage(marks, wanted)
        by_stream = {stream: [] for stream in streams}
        for call in calls:
            by_stream[call.stream].append(call)
        return {stream: (judge(by_stream[stream], limit, start), stage.get(stream)) for stream in wanted}, by_stream, start

    def _marks(self):
        size = lambda path: os.path.getsize(path) if os.path.exists(path) else 0
        return [size(self.fleet.log_of(gateway.number)) for gateway in self.fleet.gateways]

    def _stage(self, marks, wanted):
        """How long the limits took with each admitted call, as the gateways say: p50 and p99 in microseconds."""
        time.sleep(0.3)
        spans = {stream: [] for stream in wanted}
        for gateway, mark in zip(self.fleet.gateways, marks):
            if not os.path.exists(path := self.fleet.log_of(gateway.number)):
                continue
            with open(path, "rb") as log:
                log.seek(mark)
                for line in log:
                    if not line.endswith(b"}\n"):
                        continue
                    call = json.loads(line)
                    if call.get("api") in spans and call["status"] == 200:
                        spans[call["api"]].append(call["throttling_us"])
        return {stream: (quantile(some, 0.5), quantile(some, 0.99)) for stream, some in spans.items()}

    # ------------------------------------------------------------ what is printed

    def rows(self, title, load, gateways, limit, result):
        for strategy, (verdict, stage) in result.items():
            goal = self.goal(strategy, load, verdict)
            kind = f"{limit.amount}/{limit.per:g}s " + ("pace" if limit.pace else "quota")
            p50, p99 = stage or (None, None)
            self.results.append({"row": title, "strategy": strategy, "gateways": gateways, "load": load, "limit": kind,
                                 "p50": p50, "p99": p99, "goal": goal} | vars(verdict))
            self.say(f"| {strategy} | {gateways} | {title if title else load} | {kind} | {100 * verdict.ratio:.2f} | {100 * verdict.least:.1f} | "
                     f"{100 * verdict.most:.1f} | {verdict.over:.0f} | {100 * verdict.wrong:.2f} | {p50} | {p99} | {verdict.errors} | {goal} |")

    def goal(self, strategy, load, verdict):
        goal = GOALS[strategy]
        if goal is None:
            return "none"
        if isinstance(goal, dict):
            goal = goal["even" if load == "even" else "else"]
        good = goal[0] - ROUNDING <= 100 * verdict.ratio <= goal[1] + ROUNDING
        return f"{goal[0]:g}-{goal[1]:g} {'met' if good else 'MISSED'}"

    # ------------------------------------------------------------ the matrix

    def matrix(self, gateways, loads, limits, seconds):
        for limit in limits:
            self.say(f"\n## {'A pace' if limit.pace else 'A quota'}: {limit.amount} calls per {limit.per:g} s, 1.6 times as many offered, {seconds} s\n\n{HEAD}")
            for count in gateways:
                self.fleet.shrink(count)
                self.fleet.grow(count)
                for load in loads if count > 1 else ("even",):
                    result, _, _ = self.run(limit, load, seconds, count)
                    self.rows("", load, count, limit, result)

    def apisix(self, seconds):
        """The case that APISIX published: 2 nodes, 500/s, 800 offered, 30 s: 590/s before its mending, 438/s after."""
        self.fleet.shrink(2)
        self.fleet.grow(2)
        self.say(f"\n## 2 gateways, 500 calls per second, 800 offered, {seconds} s (APISIX: 590/s, mended 438/s)\n\n"
                 "| strategy | limit | admitted/s | ideal/s | most in a second | beyond, certain | wrong % | errors |\n|---|---|---|---|---|---|---|---|")
        for limit in (Limit(500, 1.0, True), Limit(500, 1.0, False)):
            # Two at a time: more is too much for one caller.
            for at in range(0, len(self.wanted), 2):
                some = self.wanted[at: at + 2]
                result, calls, start = self.run(limit, "even", seconds, 2, wanted=some)
                for strategy, (verdict, _) in result.items():
                    good = sum(call.status == 200 for call in calls[strategy])
                    kind = f"{limit.amount}/{limit.per:g}s " + ("pace" if limit.pace else "quota")
                    self.results.append({"row": "apisix", "strategy": strategy, "limit": kind, "per_s": good / seconds} | vars(verdict))
                    self.say(f"| {strategy} | {kind} | {good / seconds:.1f} | {good / seconds / max(verdict.ratio, 1e-9):.1f} | {verdict.most * 500:.0f} | "
                             f"{verdict.over:.0f} | {100 * verdict.wrong:.2f} | {verdict.errors} |")

    # ------------------------------------------------------------ what goes wrong in between

    def incidents(self, seconds, only):
        pace, quota = Limit(200, 1.0, True), Limit(2000, 10.0, False)
        self.say(f"\n## What happens in between, {seconds} s\n\n{HEAD}")
        for name, (count, strategies, happen) in INCIDENTS.items():
            some = tuple(s for s in self.wanted if s in strategies)
            if (only and name not in only) or not some:
                continue
            for limit in (pace, quota):
                self.fleet.shrink(count)
                self.fleet.grow(count)
                happen(self, name, limit, seconds, count, some)

    def during(self, name, limit, seconds, count, some, events, scheme=None):
        result, _, _ = self.run(limit, "even", seconds, count, events=events, wanted=some, scheme=scheme)
        self.rows(name, "even", count, limit, result)

    def join(self, name, limit, seconds, count, some):
        """A gateway more, and calls for it, from the middle on."""
        fleet = self.fleet

        def joins(client):
            fleet.grow(count + 1)
            client.found(count, fleet.gateways[count].port)

        half = seconds / 2 + 2
        scheme = lambda number, after: number % (count if after < half else count + 1)
        self.during(name, limit, seconds, count, some, [(seconds / 2 - 3, joins)], scheme)

    def killed(self, name, limit, seconds, count, some):
        """A gateway is gone at once with what it had in hand; the others get its calls. Then it is back."""
        fleet = self.fleet

        def dies(client):
            client.lose(0)
            fleet.kill(0)

        def back(client):
            fleet.revive(0)
            client.found(0)

        self.during(name, limit, seconds, count, some, [(seconds / 3, dies), (seconds * 2 / 3, back)])

    def redis_restart(self, name, limit, seconds, count, some):
        self.during(name, limit, seconds, count, some, [(seconds / 2, lambda _: self.fleet.restart_redis(0.5))])

    def redis_failover(self, name, limit, seconds, count, some):
        self.fleet.start_replica()
        self.during(name, limit, seconds, count, some, [(seconds / 2, lambda _: self.fleet.fail_over())])

    def control_restart(self, name, limit, seconds, count, some):
        self.during(name, limit, seconds, count, some, [(seconds / 2, lambda _: self.fleet.restart_control(1.0))])

    def skew(self, name, limit, seconds, count, some):
        """One gateway's clock is 200 ms ahead."""
        self.fleet.kill(0)
        self.fleet.revive(0, 0.2)
        ahead = self.fleet.clock_ahead(0)
        if not 0.15 < ahead < 0.3:
            raise SystemExit(f"the clock of a gateway is {ahead:.3f} s ahead and not 0.2")
        self.during(name, limit, seconds, count, some, [])
        self.fleet.kill(0)
        self.fleet.revive(0)

    def edges(self, name, limit, seconds, count, some):
        """Nothing but bursts of more than the limit, half before and half behind each border of windows."""
        limit = limit if limit.pace else Limit(200, 2.0, False)
        self.set(limit, some)
        client = Caller(gateway.port for gateway in self.fleet.gateways)
        start, times = _next_edge(limit), []
        width = 0.3
        edge = start + limit.per
        while edge < start + seconds:
            steps = int(limit.amount * 0.6)
            times += [edge - width + step * 2 * width / (2 * steps) for step in range(2 * steps)]
            edge += limit.per
        calls = []
        for stream in some:
            calls += [caller.Call(at, number % count, stream, self.fleet.request(stream)) for number, at in enumerate(times)]
        calls.sort(key=lambda call: call.due)
        marks = self._marks()
        client.run(calls)
        client.close()
        stage = self._stage(marks, some)
        result = {stream: (judge([call for call in calls if call.stream == stream], limit, start), stage.get(stream)) for stream in some}
        self.rows(name, "even", count, limit, result)


ALL = tuple(STRATEGIES)
INCIDENTS = {
    "joins": (2, ALL, Runs.join),
    "kill -9": (3, ALL, Runs.killed),
    "redis restarts": (2, ("lease-store", "strict"), Runs.redis_restart),
    "redis fails over": (2, ("lease-store", "strict"), Runs.redis_failover),
    "control plane restarts": (2, ("lease", "split"), Runs.control_restart),
    "clock 200 ms ahead": (2, ALL, Runs.skew),
    "window edges": (2, ALL, Runs.edges),
}


def _next_edge(limit):
    """The next border of windows that is far enough, and by which a pace has recovered."""
    per = max(limit.per, 1.0)
    edge = (int(time.time() / per) + 1) * per
    return edge if edge - time.time() > 1.2 else edge + per


