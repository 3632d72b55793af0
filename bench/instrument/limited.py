"""What do four limits add to the cost of a call?"""

import shutil
import statistics
import sys

from .material import free_port
from .scenarios import LIMITED, SCENARIOS

# The most that limits may add to S2.
GOAL = 1.05


def limited(bench):
    """S2 and the same with four limits, in turns; ratios are taken within a round."""
    print("\n## limits: four for each call, beside S2 with 10,000 tokens without\n")
    print(f"| scenario | counted | CPU us/request | x S2 (goal {GOAL}) | requests/s | p50 us | p99 us | errors |\n|---|---|---|---|---|---|---|---|")
    scenarios = {"s2-10k": SCENARIOS["s2-10k"], **LIMITED}
    if not shutil.which("redis-server"):
        print("left out: s3-limits-lease (redis-server is missing)", file=sys.stderr)
        del scenarios["s3-limits-lease"]
    else:
        bench.redis = free_port()
        argv = ["redis-server", "--bind", "127.0.0.1", "--port", str(bench.redis), "--save", "", "--dir", bench.work]
        bench.processes.start(argv, bench.args.load_core, "redis", bench.redis)
    running = {name: bench.start_target("turnpike", sc) for name, sc in scenarios.items()}
    for name, process in running.items():
        bench.check("turnpike", scenarios[name], process)
        bench.putter.put(scenarios[name], process.port, 2)
    rows, order = {name: [] for name in running}, list(running)
    for number in range(bench.args.rounds):
        for name in order:
            rows[name].append(bench.measure(scenarios[name], running[name]))
            print(f"limits round {number + 1}: {name:15} {rows[name][-1]['cpu_us']:6.2f} us/request", file=sys.stderr)
        order = order[1:] + order[:1]
    for name, rounds in rows.items():
        _row(scenarios[name], rounds, rows["s2-10k"])
    bench.processes.stop(*running.values())


def _row(sc, rounds, without):
    middle = statistics.median
    cost = [row["cpu_us"] for row in rounds]
    ratios = [row["cpu_us"] / max(bare["cpu_us"], 1e-9) for row, bare in zip(rounds, without)]
    print(f"| {sc.name} | {sc.note if sc.limits else 'no limits'} | {middle(cost):.2f} ({min(cost):.2f}-{max(cost):.2f}) | "
          f"{middle(ratios):.3f} ({min(ratios):.3f}-{max(ratios):.3f}) | {middle([r['requests'] / r['seconds'] for r in rounds]):,.0f} | "
          f"{middle([r['p50'] for r in rounds]):,.0f} | {middle([r['p99'] for r in rounds]):,.0f} | {sum(r['errors'] for r in rounds)} |", flush=True)
