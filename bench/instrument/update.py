"""What do calls notice while 5,000 routes are replaced?"""

import glob
import os
import re
import signal
import threading
import time
from dataclasses import replace

from .scenarios import SCENARIOS

ROUTES, TIMES = 5000, 5


def update(bench, rate):
    """The same open-loop load without and with replacements of every route."""
    print(f"\n## update: {ROUTES:,} routes replaced {TIMES} times under {rate}/s\n")
    print("| target | replaced | requests | failed | p50 us | p99 us | CPU s |\n|---|---|---|---|---|---|---|")
    sc = replace(SCENARIOS["lat-s1"], name="update", routes=ROUTES)
    for name, process in bench.start_targets(sc).items():
        how = {"turnpike": _rewrite, "nginx": lambda p: os.kill(_nginx(p), signal.SIGHUP)}.get(name)
        for times in (0, TIMES) if how else ():
            worker = threading.Thread(target=_repeat, args=(how, process, times))
            worker.start()
            row = bench.measure(sc, process, seconds=4 + 2 * TIMES, rate=rate)
            worker.join()
            print(f"| {name} | {times} | {row['requests']} | {row['errors']} | {row['p50']} | {row['p99']} | "
                  f"{row['cpu_us'] * row['requests'] / 1e6:.2f} |", flush=True)
        bench.processes.stop(process)


def _repeat(how, process, times):
    time.sleep(1)
    for _ in range(times):
        how(process)
        time.sleep(2)


def _rewrite(process):
    """Every route gets another timeout; the files are put in place whole."""
    seconds = 20 + int(time.monotonic()) % 20
    for path in glob.glob(f"{process.dir}/resources/*.yaml"):
        text = open(path).read()
        text = re.sub(r'("timeout": "\d+s", )?"urls"', f'"timeout": "{seconds}s", "urls"', text)
        with open(f"{path}.new", "w") as f:
            f.write(text)
        os.rename(f"{path}.new", path)


def _nginx(process):
    return int(open(f"{process.dir}/pid").read())
