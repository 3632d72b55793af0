"""What does an idle connection cost in memory?"""

import socket
import time
from dataclasses import replace

from .processes import family, memory_mib
from .scenarios import SCENARIOS


def idle(bench, count):
    """Opens connections that have made one call each, and looks at the memory before and after."""
    print(f"\n## idle: {count:,} connections after one call each\n")
    print("| target | MiB before | MiB after | KiB per connection | still open |\n|---|---|---|---|---|")
    sc = replace(SCENARIOS["s1"], name="idle", routes=10)
    for name, process in bench.start_targets(sc).items():
        bench.putter.put(sc, process.port, 2)
        pids = family(process.pid)
        before = memory_mib(pids)
        call = b"GET /api1/v1/items/42 HTTP/1.1\r\nHost: idle.bench\r\n\r\n"
        held = []
        for n in range(count):
            # A client address has 28,000 ports: they are spread over four.
            client = socket.create_connection(("127.0.0.1", process.port), 10, (f"127.0.0.{2 + n % 4}", 0))
            client.sendall(call)
            answer = b""
            while not answer.endswith(b"x" * 128) and (part := client.recv(4096)):
                answer += part
            held.append(client)
        time.sleep(2)
        after = memory_mib(pids)
        alive = sum(answers(client, call) for client in held[:: max(1, count // 200)])
        of = len(held[:: max(1, count // 200)])
        print(f"| {name} | {before:.1f} | {after:.1f} | {(after - before) * 1024 / count:.1f} | {alive} of {of} asked |", flush=True)
        for client in held:
            client.close()
        bench.processes.stop(process)


def answers(client, call):
    try:
        client.sendall(call)
        return client.recv(4096).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
