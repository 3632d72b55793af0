"""What runs: a control plane, a Redis, a backend and as many gateways as are asked for."""

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time

from ..material import AUDIENCE, ISSUER, free_port, make_tokens, write
from ..processes import Processes

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
STRATEGIES = {
    "in-process": {},
    "split": {"strategy": "split"},
    "lease": {"strategy": "lease"},
    "lease-store": {"strategy": "lease", "authority": "store"},
    "strict": {"strategy": "strict", "authority": "store"},
}
# Calls under no limit, to compare with.
FREE = "free"


def ask(port, method, path, token="", body=None, secure=False):
    if secure:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=ssl._create_unverified_context())
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body=body, headers={"Authorization": f"Bearer {token}"} if token else {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


class Gateway:
    def __init__(self, number, port, operations, process):
        self.number, self.port, self.operations, self.process = number, port, operations, process


class Fleet:
    def __init__(self, work, cache, programs, workers, wanted, on_failure):
        self.on_failure = on_failure
        self.work, self.programs, self.workers = work, programs, workers
        self.stored = any(STRATEGIES[name].get("authority") == "store" for name in wanted)
        self.tokens = make_tokens(f"{cache}/bench")
        self.processes = Processes(work)
        self.gateways, self.control = [], None
        self.backend, self.rest, self.rpc, self.redis_port = (free_port() for _ in range(4))
        self.redis, self.replica, self.replica_port = None, None, free_port()

    # ------------------------------------------------------------ who runs

    def start(self):
        self._backend()
        if self.stored:
            self.start_redis()
        self.start_control()
        self.publish({}, ())

    def _spawn(self, argv, name, port, env=None):
        """Runs a program, on any core, until its port answers."""
        log = open(f"{self.work}/{name}.log", "ab")
        process = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, env={**os.environ, **(env or {})})
        self.processes.alive.append(process)
        end = time.monotonic() + 60
        while time.monotonic() < end and process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return process
            except OSError:
                time.sleep(0.02)
        sys.exit(f"{name} does not serve:\n{open(f'{self.work}/{name}.log').read()[-3000:]}")

    def _backend(self):
        folder = f"{self.work}/backend"
        user = "user root;" if os.geteuid() == 0 else ""
        conf = write(f"{folder}/nginx.conf", f"""
{user} worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log error;
events {{ worker_connections 8192; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{ listen 127.0.0.1:{self.backend} backlog=4096; location / {{ return 200 "{'x' * 100}"; }} }} }}""")
        self._spawn(["nginx", "-p", folder, "-e", f"{folder}/error.log", "-c", conf], "backend", self.backend)

    def start_redis(self):
        """What it has counted is kept over restarts: every write is in the log before it is answered."""
        if not shutil.which("redis-server"):
            sys.exit("missing: redis-server (Debian package)")
        self.redis = self._redis("redis", self.redis_port, "--appendonly", "yes", "--appendfsync", "always")

    def start_replica(self):
        self.replica = self._redis("replica", self.replica_port, "--replicaof", "127.0.0.1", str(self.redis_port))
        end = time.monotonic() + 20
        while "master_link_status:up" not in self.command(self.replica_port, "INFO", "replication") and time.monotonic() < end:
            time.sleep(0.05)

    def _redis(self, name, port, *more):
        os.makedirs(f"{self.work}/{name}", exist_ok=True)
        argv = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", f"{self.work}/{name}", "--save", "", *more]
        return self._spawn(argv, name, port)

    def command(self, port, *words):
        return subprocess.run(["redis-cli", "-p", str(port), *words], capture_output=True, text=True).stdout

    def restart_redis(self, away_s):
        """Away for so long, with what it had."""
        self.end(self.redis, signal.SIGTERM)
        time.sleep(away_s)
        self.start_redis()

    def fail_over(self):
        """The first is gone, the replica takes its place and its address."""
        self.end(self.redis, signal.SIGKILL)
        self.command(self.replica_port, "REPLICAOF", "NO", "ONE")
        self.command(self.replica_port, "CONFIG", "SET", "port", str(self.redis_port))
        self.redis, self.replica, self.replica_port = self.replica, None, free_port()

    def start_control(self):
        config = write(f"{self.work}/control-plane.toml", f"""
[service]
data = "{self.work}/control-plane"
[pki]
directory = "{self.work}/pki"
[rest]
listen = "127.0.0.1:{self.rest}"
[rpc]
listen = "127.0.0.1:{self.rpc}"
[operations]
listen = "127.0.0.1:{free_port()}"
[telemetry]
log = "warn"
""")
        self.control = self._spawn([f"{self.programs}/control-plane", "--config", config], "control-plane", self.rest)

    def restart_control(self, away_s):
        self.end(self.control, signal.SIGKILL)
        time.sleep(away_s)
        self.start_control()

    def end(self, process, how):
        process.send_signal(how)
        process.wait()
        self.processes.alive.remove(process)

    # ------------------------------------------------------------ gateways

    def grow(self, count):
        """So many gateways, all of which serve what is published."""
        while len(self.gateways) < count:
            self.gateways.append(self._gateway(len(self.gateways)))
        self.until_served(self.gateways)

    def shrink(self, count):
        """The last ones end in order."""
        for gateway in self.gateways[count:]:
            self.end(gateway.process, signal.SIGTERM)
        del self.gateways[count:]

    def until_served(self, gateways):
        end = time.monotonic() + 60
        for gateway in gateways:
            while (got := self._try(gateway)) != 200:
                if time.monotonic() > end:
                    sys.exit(f"gateway {gateway.number} answers {got}:\n{open(f'{self.work}/gateway-{gateway.number}.log').read()[-3000:]}")
                time.sleep(0.05)

    def _try(self, gateway):
        try:
            return ask(gateway.port, "GET", f"/{FREE}/v1/x", self.token(FREE))[0]
        except (OSError, http.client.HTTPException):
            return 0

    def kill(self, number):
        self.end(self.gateways[number].process, signal.SIGKILL)

    def clock_ahead(self, number):
        """By how many seconds a gateway's clock is ahead, as the log of its calls has it."""
        before = time.time()
        self._try(self.gateways[number])
        end = time.monotonic() + 5
        while time.monotonic() < end:
            with open(self.log_of(number), "rb") as log:
                last = log.read().rstrip(b"\n").rsplit(b"\n", 1)[-1]
            if last and abs((ahead := json.loads(last)["at_us"] / 1e6 - before) - round(ahead, 1)) < 0.05 and ahead > -0.05:
                return ahead
            time.sleep(0.1)
        sys.exit(f"gateway {number} logs no calls")

    def revive(self, number, offset_s=0.0):
        self.gateways[number] = self._gateway(number, self.gateways[number].port, offset_s)
        self.until_served([self.gateways[number]])

    def _gateway(self, number, port=None, offset_s=0.0):
        port, operations = port or free_port(), free_port()
        name = f"gateway-{number}"
        config = write(f"{self.work}/{name}.toml", f"""
[service]
data = "{self.work}/{name}"
id = "{name}"
[pki]
directory = "{self.work}/pki"
[telemetry]
log = "warn"
[operations]
listen = "127.0.0.1:{operations}"
[receiver]
http = ["127.0.0.1:{port}"]
https = ["127.0.0.1:{free_port()}"]
workers = {self.workers}
[control_plane]
address = "https://127.0.0.1:{self.rpc}"
[key_manager]
address = "off"
[collector]
address = "off"
[access_log]
file = "{self.log_of(number)}"
{self._store_section()}
""")
        env = {}
        if offset_s:
            # The wall clock alone: nobody's spans are stretched.
            env = {"LD_PRELOAD": FAKETIME, "FAKETIME": f"{offset_s:+f}", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
        process = self._spawn([f"{self.programs}/gateway", "--config", config], name, port, env)
        return Gateway(number, port, operations, process)

    def _store_section(self):
        return f'[limits.store]\nurls = ["redis://127.0.0.1:{self.redis_port}"]' if self.stored else ""

    def log_of(self, number):
        return f"{self.work}/calls-{number}.log"

    # ------------------------------------------------------------ what is published

    def token(self, stream):
        """Of the application that calls this API."""
        return self.tokens["good"][[*STRATEGIES, FREE].index(stream)]

    def request(self, stream):
        return (f"GET /{stream}/v1/x HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {self.token(stream)}\r\n\r\n").encode()

    def publish(self, limits, wanted):
        """An API and an application for each strategy; `limits` is a tier's spec without its `counting`."""
        docs = list(self._resources(limits, wanted))
        secret = open(f"{self.work}/control-plane/admin.token").read().strip()
        status, text = ask(self.rest, "POST", "/api/v1/apply?wait=all&timeout=30s", secret, "\n---\n".join(map(json.dumps, docs)), secure=True)
        if status != 200:
            sys.exit(f"the control plane answers {status}: {text}")

    def _counting(self, strategy):
        counting = STRATEGIES[strategy]
        asks = counting.get("strategy") in ("lease", "strict")
        return {"counting": {**counting, **({"onFailure": self.on_failure} if asks else {})}} if counting else {}

    def _resources(self, limits, wanted):
        kind = lambda kind, name, spec, **more: {"apiVersion": "turnpike/v1", "kind": kind, "metadata": {"name": name, **more}, "spec": spec}
        yield kind("KeyManager", "bench", {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": json.dumps(self.tokens["jwks"])})
        for number, stream in enumerate([*STRATEGIES, FREE]):
            if stream != FREE and stream not in wanted:
                continue
            tier = "Unlimited"
            if stream != FREE:
                tier = f"tier-{stream}"
                yield kind("Tier", tier, {**limits, **self._counting(stream)})
            yield kind("Api", stream, {"context": f"/{stream}", "lifecycle": "PUBLISHED", "tiers": [tier], "keyManagers": ["bench"],
                                       "security": {"schemes": ["oauth2"]},
                                       "endpoints": {"production": {"urls": [f"http://127.0.0.1:{self.backend}"]}}}, version="v1")
            yield kind("Application", f"app-{stream}", {"keys": [{"keyManager": "bench", "consumerKey": f"client-{number}"}]})
            yield kind("Subscription", f"sub-{stream}", {"application": f"app-{stream}", "api": f"{stream}:v1", "tier": tier})
