"""Envoy at its best: routes in a matcher tree, a cache for verified tokens."""

import json

from ..material import AUDIENCE, ISSUER, write
from ..scenarios import CLIENTS, NEVER, TOKENS

_KIND = "type.googleapis.com/"


def _token_filter(run, sc):
    provider = {"issuer": ISSUER, "audiences": [AUDIENCE], "forward": True, "require_expiration": True,
                "local_jwks": {"inline_string": json.dumps(run.tokens["jwks"])}, "jwt_cache_config": {"jwt_cache_size": 2 * TOKENS}}
    if sc.limit:
        provider["payload_in_metadata"] = "claims"
    if sc.headers:
        provider["claim_to_headers"] = [{"header_name": "x-consumer", "claim_name": "azp"}]
    return {"name": "envoy.filters.http.jwt_authn", "typed_config": {
        "@type": _KIND + "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication", "providers": {"p": provider},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}]}}


def _limit_filter():
    bucket = {"max_tokens": NEVER, "tokens_per_fill": NEVER, "fill_interval": "1s"}
    always = {"runtime_key": "always", "default_value": {"numerator": 100}}
    client = {"descriptor_key": "client", "metadata_key": {"key": "envoy.filters.http.jwt_authn", "path": [{"key": "claims"}, {"key": "azp"}]}}
    return {"name": "envoy.filters.http.local_ratelimit", "typed_config": {
        "@type": _KIND + "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit", "stat_prefix": "limit",
        "token_bucket": bucket, "filter_enabled": always, "filter_enforced": always, "max_dynamic_descriptors": 2 * CLIENTS,
        "descriptors": [{"entries": [{"key": "client"}], "token_bucket": bucket}],
        "rate_limits": [{"actions": [{"metadata": client}]}]}}


def _access_log(run):
    line = {"at": "%START_TIME%", "method": "%REQ(:METHOD)%", "path": "%REQ(:PATH)%", "api": "%ROUTE_NAME%", "status": "%RESPONSE_CODE%",
            "ms": "%DURATION%", "client": "%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:claims:azp)%", "bytes": "%BYTES_SENT%"}
    return {"name": "envoy.access_loggers.file", "typed_config": {
        "@type": _KIND + "envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": f"{run.dir}/access.log",
        "log_format": {"json_format": line}}}


def _header_rules(routes):
    put = lambda name, value: {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    routes["request_headers_to_add"] = [put("x-gateway", "gw1")]
    routes["request_headers_to_remove"] = ["x-remove-me"]
    routes["response_headers_to_add"] = [put("x-served-by", "gw1"), put("strict-transport-security", "max-age=31536000"),
                                         put("x-frame-options", "DENY")]
    routes["response_headers_to_remove"] = ["server"]


def envoy(run, sc):
    filters = ([_token_filter(run, sc)] if sc.jwt else []) + ([_limit_filter()] if sc.limit else [])
    filters.append({"name": "envoy.filters.http.router", "typed_config": {
        "@type": _KIND + "envoy.extensions.filters.http.router.v3.Router", "suppress_envoy_headers": True, "dynamic_stats": False}})
    tree = {f"/api{i}/v1/": {"action": {"name": "r", "typed_config": {
        "@type": _KIND + "envoy.config.route.v3.Route", "name": f"api{i}", "match": {"prefix": "/"}, "route": {"cluster": "b"}}}} for i in range(sc.routes)}
    host = {"name": "v", "domains": ["*"], "matcher": {"matcher_tree": {
        "input": {"name": "path", "typed_config": {"@type": _KIND + "envoy.type.matcher.v3.HttpRequestHeaderMatchInput", "header_name": ":path"}},
        "prefix_match_map": {"map": tree}}}}
    routes = {"name": "r", "virtual_hosts": [host]}
    if sc.headers:
        _header_rules(routes)
    manager = {"@type": _KIND + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "in",
               "generate_request_id": False, "server_header_transformation": "PASS_THROUGH", "http_filters": filters, "route_config": routes}
    if sc.limit:
        manager["access_log"] = [_access_log(run)]
    chain = {"filters": [{"name": "h", "typed_config": manager}]}
    if sc.tls:
        pair = {"certificate_chain": {"filename": run.certificate}, "private_key": {"filename": run.key}}
        chain["transport_socket"] = {"name": "tls", "typed_config": {
            "@type": _KIND + "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {"alpn_protocols": ["h2", "http/1.1"], "tls_certificates": [pair]}}}
    at = lambda port: {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    many = {"max_connections": 10**9, "max_pending_requests": 10**9, "max_requests": 10**9, "max_retries": 10**9}
    cluster = {"name": "b", "type": "STATIC", "connect_timeout": "5s", "circuit_breakers": {"thresholds": [many]},
               "load_assignment": {"cluster_name": "b", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": at(run.backend)}}]}]}}
    config = {"static_resources": {"listeners": [{"name": "l", "address": at(run.port), "filter_chains": [chain]}], "clusters": [cluster]}}
    write(f"{run.dir}/envoy.json", json.dumps(config))
    return [run.envoy, "-c", f"{run.dir}/envoy.json", "--concurrency", "1", "-l", "error", "--disable-hot-restart"]
