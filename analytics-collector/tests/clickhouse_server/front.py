"""Is a ClickHouse for tests: the real engine (PyPI's chdb) behind ClickHouse's own HTTP interface.

    python3 front.py FOLDER PORT

Keeps its data in FOLDER, prints the port (0: a free one) and ends with its standard input. The file
FOLDER.trouble says what happens at the next INSERT: `before` ends the process before it, `after` between
the insert and its answer.
"""

import http.server
import os
import re
import sys
import tempfile
import threading
import urllib.parse

import chdb

folder, port = sys.argv[1], int(sys.argv[2])
connection = chdb.connect(folder)
turn = threading.Lock()


def trouble(moment):
    path = folder + ".trouble"
    if os.path.exists(path) and open(path).read() == moment:
        os.remove(path)
        os._exit(9)


def insert(sql, rows):
    # Inside the process rows come from a file and not with the statement.
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        file.write(rows)
        file.flush()
        trouble("before")
        sql = re.sub(r" SETTINGS ", f" FROM INFILE '{file.name}' SETTINGS ", sql, count=1)
        connection.query(sql, "TSV")
        trouble("after")
    return b""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        query = urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query, keep_blank_values=True)
        said = dict(query)
        values = {name[6:]: value for name, value in query if name.startswith("param_")}
        try:
            with turn:
                if "query" in said:
                    answer = insert(said["query"], body)
                else:
                    answer = connection.query(body.decode(), "TSV", params=values or None).bytes()
            self.answer(200, answer, {})
        except Exception as error:
            code = re.search(r"Code: (\d+)", str(error))
            code = code.group(1) if code else "0"
            self.answer(500, str(error).encode(), {"X-ClickHouse-Exception-Code": code})

    def answer(self, status, body, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
os._exit(0)
