"""Is a ClickHouse for tests: the real engine (PyPI's chdb) behind ClickHouse's own HTTP interface.

    python3 front.py FOLDER PORT [CERTIFICATE KEY USER PASSWORD]

Keeps its data in FOLDER, prints the port (0: a free one) and ends with its standard input. With a
certificate it speaks TLS, and takes queries of that user alone. The file FOLDER.trouble says what happens at
an INSERT or ALTER: `before 2` ends the process before the third one, `after 0` between the next one and its
answer.
"""

import http.server
import os
import re
import ssl
import sys
import tempfile
import threading
import urllib.parse

import chdb

folder, port = sys.argv[1], int(sys.argv[2])
certificate, key, user, password = sys.argv[3:7] if len(sys.argv) > 3 else (None, None, None, None)
connection = chdb.connect(folder)
turn = threading.Lock()


def write(run):
    path = folder + ".trouble"
    moment, left = open(path).read().split() if os.path.exists(path) else ("never", "0")
    due = moment != "never" and int(left) == 0
    if due:
        os.remove(path)
    elif moment != "never":
        open(path, "w").write(f"{moment} {int(left) - 1}")
    if due and moment == "before":
        os._exit(9)
    answer = run()
    if due:
        os._exit(9)
    return answer


def insert(sql, rows):
    # Inside the process rows come from a file and not with the statement.
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        file.write(rows)
        file.flush()
        sql = re.sub(r" SETTINGS ", f" FROM INFILE '{file.name}' SETTINGS ", sql, count=1)
        write(lambda: connection.query(sql, "TSV"))
    return b""


def ask(sql, values):
    run = lambda: connection.query(sql, "TSV", params=values or None).bytes()
    return write(run) if sql.startswith(("INSERT ", "ALTER ")) else run()


class Handler(http.server.BaseHTTPRequestHandler):
    def setup(self):
        if certificate:
            # Here, in a thread for this connection, and not where others are accepted.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self.request = context.wrap_socket(self.request, server_side=True)
        super().setup()

    def is_known(self):
        said = [self.headers.get(name) for name in ("x-clickhouse-user", "x-clickhouse-key")]
        return user is None or said == [user, password]

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if not self.is_known():
            # In the words of the server.
            text = "Code: 516. DB::Exception: Authentication failed: password is incorrect, or there is no user"
            return self.answer(403, text.encode(), {"X-ClickHouse-Exception-Code": "516"})
        query = urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query, keep_blank_values=True)
        said = dict(query)
        values = {name[6:]: value for name, value in query if name.startswith("param_")}
        try:
            with turn:
                if "query" in said:
                    answer = insert(said["query"], body)
                else:
                    answer = ask(body.decode(), values)
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


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        # Somebody who does not believe the certificate is what is tested.
        pass


server = Server(("127.0.0.1", port), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
os._exit(0)
