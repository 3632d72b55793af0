"""The gateway, serving a directory of resources, with all that a real call has switched on."""

import json

from ..material import AUDIENCE, ISSUER, free_port, write
from ..scenarios import CLIENTS, NEVER

_RULES = {
    "request": [{"setHeader": {"name": "x-gateway", "value": "gw1"}},
                {"setHeader": {"name": "x-consumer", "value": "${application.name}"}},
                {"removeHeader": {"name": "x-remove-me"}}],
    "response": [{"setHeader": {"name": "x-served-by", "value": "gw1"}},
                 {"setHeader": {"name": "strict-transport-security", "value": "max-age=31536000"}},
                 {"setHeader": {"name": "x-frame-options", "value": "DENY"}},
                 {"removeHeader": {"name": "server"}}],
}
# How the tiers of a scenario with four limits are counted.
_COUNTING = {"in_process": {}, "lease": {"strategy": "lease", "authority": "store"}}


def resources(sc, backend, routes, jwks):
    """One API per route; with tokens also an application per client, and its subscriptions."""
    kind = lambda kind, name, spec, **more: {"apiVersion": "turnpike/v1", "kind": kind,
                                             "metadata": {"name": name, **more}, "spec": spec}
    for i in range(routes):
        spec = {"context": f"/api{i}", "lifecycle": "PUBLISHED", "tiers": ["Bench"], "keyManagers": ["bench"],
                "security": {"schemes": ["oauth2" if sc.jwt else "none"]},
                "endpoints": {"production": {"urls": [f"http://127.0.0.1:{backend}"]}}}
        if sc.headers:
            spec["policies"] = _RULES
        yield kind("Api", f"api{i}", spec, version="v1")
    yield kind("KeyManager", "bench", {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": json.dumps(jwks)})
    # Whose issuer is known: of a token of nobody it can be said that it is bad.
    yield kind("KeyManager", "resident", {"issuer": "https://resident.bench", "audiences": [AUDIENCE], "jwks": json.dumps(jwks)})
    limits = {"quota": {"requests": str(NEVER * 3600), "per": "3600s"}, "burst": {"requests": str(NEVER), "per": "1s"}}
    counted = limits | ({"counting": counting} if (counting := _COUNTING.get(sc.limits)) else {})
    yield kind("Tier", "Bench", counted if sc.limit or sc.limits else {})
    if sc.limits:
        yield kind("Tier", "BenchOfApplications", {"level": "application", **counted})
    tier = {"tier": "BenchOfApplications"} if sc.limits else {}
    for i in range(CLIENTS if sc.jwt else 0):
        yield kind("Application", f"app{i}", {"keys": [{"keyManager": "bench", "consumerKey": f"client-{i}"}], **tier})
    # To the API of its own number, by which targets are checked, and to each that it calls.
    pairs = {(i, i) for i in range(CLIENTS)} | {(client, route) for _, client, route in sc.calls}
    for client, route in sorted(pairs if sc.jwt else ()):
        yield kind("Subscription", f"app{client}-api{route}", {"application": f"app{client}", "api": f"api{route}:v1", "tier": "Bench"})


def turnpike(run, sc):
    docs = map(json.dumps, resources(sc, run.backend, sc.routes, run.tokens["jwks"]))
    # In files of a bounded size: a directory is read file by file.
    part, size, number = [], 0, 0
    for doc in docs:
        part.append(doc)
        size += len(doc)
        if size > 4_000_000:
            write(f"{run.dir}/resources/{number}.yaml", "\n---\n".join(part))
            part, size, number = [], 0, number + 1
    write(f"{run.dir}/resources/{number}.yaml", "\n---\n".join(part))
    collector = f"https://127.0.0.1:{run.collector}" if sc.limit else ""
    store = f'[limits.store]\nurls = ["redis://127.0.0.1:{run.redis}"]' if sc.limits == "lease" else ""
    plain, secure = (free_port(), run.port) if sc.tls else (run.port, free_port())
    write(f"{run.dir}/gateway.toml", f"""
[service]
data = "{run.dir}/gateway"
[pki]
directory = "{run.pki}"
[telemetry]
log = "warn"
[operations]
listen = "127.0.0.1:{free_port()}"
[receiver]
http = ["127.0.0.1:{plain}"]
https = ["127.0.0.1:{secure}"]
workers = 1
max_connections_per_address = 20000
[collector]
address = "{collector}"
{store}
""")
    return [run.gateway, "--config", f"{run.dir}/gateway.toml", "--resources", f"{run.dir}/resources"]
