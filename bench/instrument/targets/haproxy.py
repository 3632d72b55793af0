"""HAProxy; it verifies each token anew."""

from ..material import AUDIENCE, ISSUER, write
from ..scenarios import NEVER


def _token_rules(pem):
    deny = "http-request return status 401 "
    return ["http-request set-var(txn.token) http_auth_bearer", deny + "unless { var(txn.token) -m found }",
            "http-request set-var(txn.alg) var(txn.token),jwt_header_query('$.alg')", deny + "unless { var(txn.alg) -m str RS256 }",
            "http-request set-var(txn.iss) var(txn.token),jwt_payload_query('$.iss')", deny + f"unless {{ var(txn.iss) -m str {ISSUER} }}",
            "http-request set-var(txn.aud) var(txn.token),jwt_payload_query('$.aud')", deny + f"unless {{ var(txn.aud) -m str {AUDIENCE} }}",
            "http-request set-var(txn.exp) var(txn.token),jwt_payload_query('$.exp','int')", "http-request set-var(txn.now) date()",
            deny + "if { var(txn.exp),sub(txn.now) -m int lt 0 }",
            deny + f"unless {{ var(txn.token),jwt_verify(txn.alg,\"{pem}\") 1 }}",
            "http-request set-var(txn.client) var(txn.token),jwt_payload_query('$.azp')"]


def haproxy(run, sc):
    write(f"{run.dir}/routes.map", "".join(f"/api{i}/v1/ api{i}\n" for i in range(sc.routes)))
    rules = [f"http-request set-var(txn.route) path,map_beg({run.dir}/routes.map)",
             "http-request return status 404 unless { var(txn.route) -m found }"]
    if sc.jwt:
        rules += _token_rules(write(f"{run.dir}/key.pem", run.tokens["pem"]))
    log = ""
    if sc.limit:
        log = "log stdout format raw local0 info"
        rules += ["stick-table type string len 32 size 100k expire 60s store http_req_rate(1s)", "http-request track-sc0 var(txn.client)",
                  f"http-request return status 429 if {{ sc_http_req_rate(0) gt {NEVER} }}", "log global",
                  "log-format '{\"at\":\"%t\",\"method\":\"%HM\",\"path\":\"%HU\",\"api\":\"%[var(txn.route)]\",\"status\":%ST,\"ms\":%Ta,\"client\":\"%[var(txn.client)]\",\"bytes\":%B}'"]
    if sc.headers:
        rules += ["http-request set-header x-gateway gw1", "http-request set-header x-consumer %[var(txn.client)]",
                  "http-request del-header x-remove-me", "http-response set-header x-served-by gw1",
                  "http-response set-header strict-transport-security max-age=31536000",
                  "http-response set-header x-frame-options DENY", "http-response del-header server"]
    bind = f"bind 127.0.0.1:{run.port}"
    if sc.tls:
        bind += f" ssl crt {run.both} alpn h2,http/1.1 ssl-min-ver TLSv1.3"
    lines = "\n  ".join(rules)
    write(f"{run.dir}/haproxy.cfg", f"""
global
  nbthread 1
  maxconn 9800
  {"tune.bufsize 32768" if sc.size > 8192 else ""}
  {log}
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 60s
  timeout http-keep-alive 600s
  http-reuse always
frontend f
  {bind}
  {lines}
  default_backend b
backend b
  server s 127.0.0.1:{run.backend} pool-max-conn 1024
""")
    return ["haproxy", "-db", "-f", f"{run.dir}/haproxy.cfg"]
