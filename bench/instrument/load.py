"""How is load put on a target, and what came back?"""

import os
import re
import subprocess

from .material import write

_WRK = """
local requests, n, i = {{}}, 0, 0
init = function()
  local body = {post} > 0 and string.rep("b", {post}) or nil
  -- A route and a token, or none, to a line.
  for line in io.lines("{file}") do
    local route, token = line:match("^(%d+) (%S*)$")
    local h = {{ ["Accept"] = "application/json", ["X-Remove-Me"] = "1" }}
    if token ~= "" then h["Authorization"] = "Bearer " .. token end
    n = n + 1
    requests[n] = wrk.format(body and "POST" or "GET", "/api" .. route .. "/v1/{path}", h, body)
  end
end
request = function() i = i % n + 1; return requests[i] end
done = function(s, l, r)
  io.write(string.format("\\nRESULT %d %d %d %d %d\\n", s.requests, s.duration, l:percentile(50), l:percentile(99),
    s.errors.connect + s.errors.read + s.errors.write + s.errors.status + s.errors.timeout))
end
"""


class Load:
    def __init__(self, folder, tokens, core):
        self.folder, self.tokens, self.core = folder, tokens, core

    def put(self, sc, port, seconds, rate=None):
        """Requests, seconds, p50 and p99 in microseconds, errors."""
        return self._h2load(sc, port, seconds, rate) if sc.http2 or rate else self._wrk(sc, port, seconds)

    def _wrk(self, sc, port, seconds):
        script = f"{self.folder}/{sc.name}.lua"
        if not os.path.exists(script):
            token = lambda n: self.tokens[n] if sc.jwt else ""
            file = write(f"{self.folder}/{sc.name}.calls",
                         "".join(f"{route} {token(n)}\n" for n, _, route in sc.calls))
            write(script, _WRK.format(file=file, post=sc.post, path=sc.file))
        scheme = "https" if sc.tls else "http"
        argv = ["taskset", "-c", str(self.core), "wrk", "-t1", f"-c{sc.connections}", f"-d{seconds}s", "-s", script,
                f"{scheme}://127.0.0.1:{port}"]
        out = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=seconds + 60).stdout
        requests, micros, p50, p99, errors = map(int, re.search(r"RESULT (.*)", out).group(1).split())
        return dict(requests=requests, seconds=micros / 1e6, p50=p50, p99=p99, errors=errors)

    def _h2load(self, sc, port, seconds, rate):
        """Over h2, or in the open: requests start when their time has come, not when an answer is there."""
        log = f"{self.folder}/h2load.log"
        scheme = "https" if sc.tls else "http"
        uris = write(f"{self.folder}/{sc.name}.uris",
                     "\n".join(f"{scheme}://127.0.0.1:{port}/api{k}/v1/{sc.file}" for k in range(min(sc.routes, 1000))))
        if os.path.exists(log):
            os.unlink(log)
        argv = ["taskset", "-c", str(self.core), "h2load", f"-c{sc.connections}", "-t1", f"-D{seconds}", f"--log-file={log}",
                f"--input-file={uris}", *([f"--rps={rate / sc.connections:.1f}"] if rate else []),
                *(["-m10"] if sc.http2 else ["--h1"])]
        subprocess.run(argv, capture_output=True, text=True, check=True, timeout=seconds + 60)
        rows = [line.split() for line in open(log)]
        times = sorted(int(row[2]) for row in rows if row[1] == "200")
        at = lambda share: times[min(len(times) - 1, int(share * len(times)))] if times else 0
        return dict(requests=len(rows), seconds=seconds, p50=at(0.5), p99=at(0.99), errors=len(rows) - len(times))
