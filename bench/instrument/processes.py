"""How do programs start on their core and end again, and what did they use?"""

import os
import resource
import signal
import socket
import subprocess
import sys
import time

TICKS = os.sysconf("SC_CLK_TCK")


def family(pid):
    """The process and all below it."""
    found = [pid]
    for parent in found:
        try:
            for task in os.listdir(f"/proc/{parent}/task"):
                found += [int(c) for c in open(f"/proc/{parent}/task/{task}/children").read().split()]
        except FileNotFoundError:
            pass
    return found


def processor_seconds(pids):
    total = 0
    for pid in pids:
        try:
            fields = open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except FileNotFoundError:
            pass
    return total / TICKS


def memory_mib(pids):
    total = 0
    for pid in pids:
        try:
            total += sum(int(line.split()[1]) for line in open(f"/proc/{pid}/smaps_rollup") if line.startswith("Pss:"))
        except FileNotFoundError:
            pass
    return total / 1024


class Processes:
    def __init__(self, logs):
        self.logs, self.alive = logs, []
        # Thousands of connections want as many files as the system gives.
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    def start(self, argv, core, name, port):
        """Runs a program on one core until its port answers."""
        log = f"{self.logs}/{name}.log"
        argv = ["taskset", "-c", str(core), *argv]
        process = subprocess.Popen(argv, stdout=open(log, "wb"), stderr=subprocess.STDOUT, start_new_session=True)
        self.alive.append(process)
        end = time.monotonic() + 120
        while time.monotonic() < end:
            if process.poll() is not None:
                sys.exit(f"{name} ended at once:\n{open(log).read()[-2000:]}")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return process
            except OSError:
                time.sleep(0.02)
        sys.exit(f"nothing listens on port {port}; see {log}")

    def stop(self, *processes):
        for p in processes or tuple(self.alive):
            if p.poll() is None:
                p.terminate()
                try:
                    p.wait(10)
                except subprocess.TimeoutExpired:
                    os.killpg(p.pid, signal.SIGKILL)
                    p.wait()
            self.alive.remove(p)
