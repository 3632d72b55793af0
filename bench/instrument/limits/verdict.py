"""How far is what was admitted from what one exact counter would have admitted?"""

from collections import Counter
from dataclasses import dataclass

# Of the head and the tail of a run, which are not full seconds.
WARM_S = 3


@dataclass(frozen=True)
class Limit:
    """`amount` per `per` seconds: in windows aligned to the Unix epoch, or as a pace (GCRA) with `amount` at once."""
    amount: int
    per: float
    pace: bool

    @property
    def rate(self):
        return self.amount / self.per


@dataclass
class Verdict:
    ratio: float       # admitted / ideal, over the whole run
    least: float       # of the windows, or of the seconds of a pace, after the start
    most: float
    wrong: float       # share of the calls that were decided otherwise than by one exact counter
    over: float        # calls beyond the limit, for certain, in the worst window or stretch of time
    errors: int        # neither 200 nor 429
    offered: int


def judge(calls, limit, start):
    """What became of one stream's calls."""
    admitted = [call for call in calls if call.status == 200]
    ideal = _exact(calls, limit)
    errors = sum(call.status not in (200, 429) for call in calls)
    span = 1.0 if limit.pace else limit.per
    got = Counter(int((call.sent - start) // span) for call in admitted)
    want = Counter(int((call.sent - start) // span) for call in ideal)
    whole = range(WARM_S if limit.pace else 0, int((calls[-1].due - start) // span + (0 if limit.pace else 1)))
    shares = [got[at] / want[at] for at in whole if want[at]] or [0.0]
    # Per second, so that too few in one part of a window do not make good for too many in another.
    seconds = lambda some: Counter(int(call.sent - start) for call in some)
    mine, exact = seconds(admitted), seconds(ideal)
    wrong = sum(abs(mine[at] - exact[at]) for at in mine.keys() | exact.keys())
    over = _beyond_pace(admitted, limit) if limit.pace else _beyond_windows(admitted, limit)
    return Verdict(len(admitted) / max(len(ideal), 1), min(shares), max(shares), wrong / max(len(calls), 1), over, errors, len(calls))


def _exact(calls, limit):
    """The calls that one exact counter admits, in the order in which they were sent."""
    admitted = []
    window, used, theoretical = None, 0, 0.0
    step = limit.per / limit.amount
    for call in sorted((call for call in calls if call.sent), key=lambda call: call.sent):
        if limit.pace:
            next_at = max(theoretical, call.sent) + step
            if next_at - call.sent <= limit.per + 1e-9:
                theoretical = next_at
                admitted.append(call)
        else:
            if (at := int(call.sent // limit.per)) != window:
                window, used = at, 0
            if used < limit.amount:
                used += 1
                admitted.append(call)
    return admitted


def _beyond_windows(admitted, limit):
    """Only calls that were sent and answered within one window are certain to fall into it."""
    inside = Counter(at for call in admitted if (at := int(call.sent // limit.per)) == int(call.done // limit.per))
    return max(0, max(inside.values(), default=0) - limit.amount)


def _beyond_pace(admitted, limit):
    """Of all stretches of time the one with the most calls beyond `amount + rate x time`: from the sending of its first
    call to the last answer, so that all were decided within."""
    worst, least, last = 0.0, float("inf"), 0.0
    first = admitted[0].sent if admitted else 0.0
    for number, call in enumerate(sorted(admitted, key=lambda call: call.sent)):
        least = min(least, number - limit.rate * (call.sent - first))
        last = max(last, call.done - first)
        worst = max(worst, number + 1 - limit.rate * last - least - limit.amount)
    return max(0.0, worst)


def quantile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] if values else None
