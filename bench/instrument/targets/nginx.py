"""nginx; where a token is checked, with LuaJIT and a cache of verified tokens."""

import os

from ..material import AUDIENCE, ISSUER, write
from ..scenarios import NEVER, TOKENS

_HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = "/usr/lib/nginx/modules"


def nginx(run, sc):
    if sc.jwt and not os.path.exists(f"{MODULES}/ngx_http_lua_module.so"):
        return None
    load, http, server = "", ["access_log off;"], []
    if sc.jwt:
        pem = write(f"{run.dir}/key.pem", run.tokens["pem"])
        load = f"load_module {MODULES}/ndk_http_module.so; load_module {MODULES}/ngx_http_lua_module.so;"
        http += [f"lua_package_path '{_HERE}/?.lua;/usr/share/lua/5.1/?.lua;;';",
                 "lua_package_cpath '/usr/lib/x86_64-linux-gnu/lua/5.1/?.so;;';",
                 f"init_by_lua_block {{ checks = require('nginx_jwt').new('{pem}', '{ISSUER}', '{AUDIENCE}', {2 * TOKENS}) }}"]
        server += ["set $consumer '';", "access_by_lua_block { checks:check() }"]
    if sc.limit:
        # limit_req runs before the access phase: the consumer has to be known by then.
        server[-1] = "rewrite_by_lua_block { checks:check() }"
        http[0] = ("log_format call escape=json '{\"at\":\"$time_iso8601\",\"method\":\"$request_method\",\"path\":\"$request_uri\","
                   "\"status\":$status,\"seconds\":$request_time,\"client\":\"$consumer\",\"backend\":\"$upstream_addr\",\"bytes\":$body_bytes_sent}';"
                   f"access_log {run.dir}/access.log call buffer=64k flush=1s;"
                   f"limit_req_zone $consumer zone=consumers:16m rate={NEVER}r/s; limit_req_status 429;")
        server.append(f"limit_req zone=consumers burst={NEVER} nodelay;")
    if sc.headers:
        server += ["proxy_set_header X-Gateway gw1; proxy_set_header X-Consumer $consumer; proxy_set_header X-Remove-Me '';",
                   "add_header X-Served-By gw1; add_header Strict-Transport-Security max-age=31536000; add_header X-Frame-Options DENY;"]
    if sc.size > 4096:
        server.append("proxy_buffer_size 32k; proxy_buffers 8 32k; proxy_busy_buffers_size 64k;")
    listen = f"listen 127.0.0.1:{run.port} reuseport"
    if sc.tls:
        listen += " ssl http2"
        http.append(f"ssl_certificate {run.certificate}; ssl_certificate_key {run.key}; ssl_protocols TLSv1.3; ssl_session_cache off;")
    routes = "\n".join(f"location /api{i}/v1/ {{ proxy_pass http://b; }}" for i in range(sc.routes))
    lines = "\n    ".join
    write(f"{run.dir}/nginx.conf", f"""{load}
worker_processes 1; daemon off; pid {run.dir}/pid; error_log {run.dir}/error.log error;
events {{ worker_connections 19000; }}
http {{
  server_tokens off; keepalive_requests 1000000000; keepalive_timeout 600s; client_body_buffer_size 128k;
  client_body_temp_path {run.dir}/t1; proxy_temp_path {run.dir}/t2; fastcgi_temp_path {run.dir}/t3; uwsgi_temp_path {run.dir}/t4; scgi_temp_path {run.dir}/t5;
  {lines(http)}
  upstream b {{ server 127.0.0.1:{run.backend}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    {listen};
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
    {lines(server)}
    {routes}
    location / {{ return 404; }}
  }}
}}""")
    return ["nginx", "-p", run.dir, "-e", f"{run.dir}/error.log", "-c", f"{run.dir}/nginx.conf"]
