"""How does one scenario run: who is started where, who is checked, in which order are rounds taken?"""

import http.client
import os
import shutil
import ssl
import sys
import time
from dataclasses import replace

from .load import Load
from .material import free_port, make_certificate, make_tokens, write
from .processes import Processes, family, memory_mib, processor_seconds
from .scenarios import SCENARIOS
from .targets import TARGETS


class Bench:
    def __init__(self, args, work, cache, programs):
        self.args, self.work, self.programs = args, work, programs
        self.backend, self.collector, self.pki = free_port(), free_port(), f"{work}/pki"
        self.envoy = shutil.which("envoy") or f"{cache}/envoy/bin/envoy"
        self.gateway = args.gateway or f"{programs}/gateway"
        self.tokens = make_tokens(f"{cache}/bench")
        self.certificate, self.key = make_certificate(work)
        self.both = f"{work}/both.pem"
        self.processes = Processes(work)
        self.putter = Load(work, self.tokens["good"], args.load_core)

    # ------------------------------------------------------------ who runs

    def start_backend(self):
        folder = f"{self.work}/backend"
        small, large = "x" * 128, write(f"{folder}/files/large", "x" * 16_384)
        # Its files lie in a folder that only their owner may enter.
        user = "user root;" if os.geteuid() == 0 else ""
        conf = write(f"{folder}/nginx.conf", f"""
{user} worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log error;
events {{ worker_connections 16384; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; default_type text/plain; client_max_body_size 1g;
  client_body_buffer_size 128k; open_file_cache max=10; sendfile on; tcp_nopush on;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{ listen 127.0.0.1:{self.backend} backlog=8192;
    location / {{ return 200 "{small}"; }}
    location ~ /large$ {{ alias {large}; }} }} }}""")
        argv = ["nginx", "-p", folder, "-e", f"{folder}/error.log", "-c", conf]
        self.processes.start(argv, self.args.load_core, "backend", self.backend)

    def start_collector(self):
        config = write(f"{self.work}/collector.toml", f"""
[service]
data = "{self.work}/collector"
[pki]
directory = "{self.pki}"
[rpc]
listen = "127.0.0.1:{self.collector}"
[operations]
listen = "127.0.0.1:{free_port()}"
[telemetry]
log = "warn"
""")
        argv = [f"{self.programs}/analytics-collector", "--config", config]
        self.processes.start(argv, self.args.load_core, "collector", self.collector)

    def start_target(self, name, sc):
        self.dir, self.port = f"{self.work}/{sc.name}-{name}", free_port()
        os.makedirs(self.dir, exist_ok=True)
        argv = TARGETS[name](self, sc)
        if argv is None:
            return None
        process = self.processes.start(argv, self.args.proxy_core, f"{sc.name}-{name}", self.port)
        process.port, process.dir = self.port, self.dir
        return process

    def start_targets(self, sc):
        running = {name: p for name in self.args.targets if (p := self.start_target(name, sc))}
        for name, process in running.items():
            self.check(name, sc, process)
        return running

    # ------------------------------------------------------------ who may be measured

    def ask(self, sc, port, path, token=None):
        trust = ssl._create_unverified_context() if sc.tls else None
        kind = http.client.HTTPSConnection if sc.tls else http.client.HTTPConnection
        connection = kind("127.0.0.1", port, timeout=5, **({"context": trust} if sc.tls else {}))
        fields = {"X-Remove-Me": "1"} | ({"Authorization": f"Bearer {token}"} if token else {})
        connection.request("GET", path, headers=fields)
        answer = connection.getresponse()
        return answer, answer.read()

    def check(self, name, sc, process):
        """A target that does not do the work is not measured."""
        token = self.tokens["good"][7] if sc.jwt else None
        status = lambda path, token: self.ask(sc, process.port, path, token)[0].status
        end = time.monotonic() + 60
        while (got := status(f"/api7/v1/{sc.file}", token)) != 200 and time.monotonic() < end:
            time.sleep(0.05)
        wrong = [] if got == 200 else [f"a good call is answered {got}"]
        if (got := status("/nothing/v1/x", token)) != 404:
            wrong.append(f"an unknown path is answered {got}")
        if sc.jwt:
            for what, bad in {**self.tokens["bad"], "missing": None}.items():
                if (got := status("/api0/v1/items/42", bad)) not in (401, 403):
                    wrong.append(f"a token with a wrong {what} is answered {got}")
        answer, body = self.ask(sc, process.port, f"/api7/v1/{sc.file}", token)
        if len(body) != sc.size:
            wrong.append(f"the answer has {len(body)} bytes and not {sc.size}")
        if sc.headers and (answer.headers["x-served-by"] != "gw1" or answer.headers["x-frame-options"] != "DENY"):
            wrong.append("the answer lacks its fields")
        if wrong:
            log = open(f"{self.work}/{sc.name}-{name}.log").read()[-2000:]
            sys.exit(f"{name} does not do the work of {sc.name}: {'; '.join(wrong)}\n{log}")

    # ------------------------------------------------------------ what is measured

    def measure(self, sc, process, seconds=None, rate=None):
        pids = family(process.pid)
        before = processor_seconds(pids)
        result = self.putter.put(sc, process.port, seconds or self.args.seconds, rate)
        used = processor_seconds(pids) - before
        return result | dict(cpu_us=used * 1e6 / max(result["requests"], 1), memory=memory_mib(pids))

    def compare(self, name):
        """Rounds of all targets, interleaved, each time beginning with another one."""
        sc = SCENARIOS[name]
        running = self.start_targets(sc)
        rows, order, rate = {t: [] for t in running}, list(running), None
        for process in () if self.args.check else running.values():
            # Long enough for every token to have been looked at once: that is not what is measured.
            self.putter.put(replace(sc, rate=False), process.port, 3 if sc.tokens > 1 else 1)
        if sc.rate and not self.args.check:
            reference = running.get("nginx") or next(iter(running.values()))
            full = self.putter.put(sc, reference.port, 3)
            rate = self.args.rate or full["requests"] / full["seconds"] / 2
        for n in range(0 if self.args.check else self.args.rounds):
            for t in order:
                rows[t].append(self.measure(sc, running[t], rate=rate))
                per_second = rows[t][-1]["requests"] / rows[t][-1]["seconds"]
                print(f"{name} round {n + 1}: {t:9} {rows[t][-1]['cpu_us']:7.1f} us/request {per_second:9.0f}/s", file=sys.stderr)
            order = order[1:] + order[:1]
        self.processes.stop(*running.values())
        return rows
