"""What do calls notice of a sick backend that others call?"""

import json
import os
import statistics
import subprocess
import sys
from dataclasses import replace

from . import illness
from .material import free_port, write
from .scenarios import SCENARIOS

# Whatever the sick ones do with their processor, the load comes first: it shares it with them, and what it
# waits for them is not the gateway's doing.
_PROGRAM = ["chrt", "--idle", "0", sys.executable, os.path.abspath(illness.__file__)]


def sick(bench, rate):
    """The same open-loop load alone and beside calls to each sick backend, in turns; ratios are taken
    within a round."""
    print(f"\n## sick: {rate}/s beside {illness.CALLERS} callers of a sick backend\n")
    print("| beside | p50 us alone | p50 us beside | ratio | p99 us alone | p99 us beside | ratio | failed |\n|---|---|---|---|---|---|---|---|")
    sc = replace(SCENARIOS["lat-s1"], name="sick")
    ports, core = {name: free_port() for name in illness.ALL}, bench.args.load_core
    # The last one answers when all do.
    serving = bench.processes.start([*_PROGRAM, "serve", *map(str, ports.values())], core, "illness",
                                    list(ports.values())[-1])
    docs = [json.dumps(_api(name, port)) for name, port in ports.items()]
    write(f"{bench.work}/sick-turnpike/resources/sick.yaml", "\n---\n".join(docs))
    process = bench.start_target("turnpike", sc)
    bench.check("turnpike", sc, process)
    put = lambda: bench.putter.put(sc, process.port, bench.args.seconds, rate)
    put()
    for name in illness.ALL:
        rounds = []
        for number in range(bench.args.rounds):
            # Every second round begins with the other one.
            turns = [lambda: put(), lambda: _beside(core, process.port, name, put)]
            rows = [turn() for turn in (turns if number % 2 == 0 else turns[::-1])]
            rounds.append(rows if number % 2 == 0 else rows[::-1])
        _row(name, rounds)
    bench.processes.stop(process, serving)


def _beside(core, port, name, put):
    argv = ["taskset", "-c", str(core), *_PROGRAM, "call", str(port), name]
    calling = subprocess.Popen(argv, stdout=subprocess.PIPE)
    try:
        calling.stdout.readline()
        return put()
    finally:
        calling.terminate()
        calling.wait()


def _row(name, rounds):
    middle = statistics.median
    cells = [name]
    for key in ("p50", "p99"):
        alone, beside = [a[key] for a, _ in rounds], [b[key] for _, b in rounds]
        ratios = [b / max(a, 1) for a, b in zip(alone, beside)]
        cells += [f"{middle(alone):,.0f}", f"{middle(beside):,.0f}", f"{middle(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"]
    print("|", " | ".join([*cells, str(sum(a["errors"] + b["errors"] for a, b in rounds))]), "|", flush=True)


def _api(name, port):
    return {"apiVersion": "turnpike/v1", "kind": "Api", "metadata": {"name": name, "version": "v1"},
            "spec": {"context": f"/{name}", "lifecycle": "PUBLISHED", "security": {"schemes": ["none"]},
                     "endpoints": {"production": {"urls": [f"http://127.0.0.1:{port}"], "timeout": "0.4s"}}}}
