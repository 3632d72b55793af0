"""Who issues tokens, and how is it asked?"""

import base64
import http.client
import json
import os
import ssl
from dataclasses import dataclass, replace

from .material import free_port, write

_HERE = os.path.dirname(os.path.abspath(__file__))
_FORM = "application/x-www-form-urlencoded"
_SECRET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
GRANT = "grant_type=client_credentials"


@dataclass(frozen=True)
class Question:
    """A POST with the secret of a client, again and again."""
    path: str
    client: str
    secret: str
    body: str = GRANT

    @property
    def fields(self):
        basic = base64.b64encode(f"{self.client}:{self.secret}".encode()).decode()
        return {"Authorization": f"Basic {basic}", "Content-Type": _FORM}


class Issuer:
    """One that runs. `clients` are identifier and secret, by the format of their tokens."""

    def __init__(self, port, paths, clients):
        self.port, self.paths, self.clients = port, paths, clients

    def question(self, scenario):
        if scenario != "introspect":
            return Question(self.paths["token"], *self.clients[scenario.removeprefix("token-")])
        asker = self.question("token-opaque")
        token = json.loads(self.ask(asker)[1])["access_token"]
        return replace(asker, path=self.paths["introspect"], body=f"token={token}")

    def ask(self, question):
        return post(self.port, question.path, question.body, question.fields)

    def wrong(self, scenario):
        """What it does not do of the work; empty: it does all of it."""
        asked = self.question(scenario)
        status, text = self.ask(asked)
        if status != 200:
            return f"a good request is answered {status}: {text}"
        said = json.loads(text)
        if scenario == "introspect":
            if not said["active"] or json.loads(self.ask(replace(asked, body=asked.body[:-2]))[1])["active"]:
                return "a token that is cut counts as much as one that is whole"
        elif scenario == "token-jwt":
            head = said["access_token"].split(".")[0]
            if json.loads(base64.urlsafe_b64decode(head + "=="))["alg"] != "ES256":
                return "the token is not signed with ES256"
        elif said["access_token"].count(".") == 2:
            return "the token is not opaque"
        if (got := self.ask(replace(asked, secret=asked.secret[:-1]))[0]) != 401:
            return f"a wrong secret is answered {got}"
        return ""


def post(port, path, body, fields):
    trust = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=trust)
    connection.request("POST", path, body=body, headers=fields)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def key_manager(run):
    """The program with its store in a file, as it comes."""
    port, folder = free_port(), f"{run.work}/key-manager"
    config = write(f"{folder}/key-manager.toml", f"""
[service]
data = "{folder}/data"
[pki]
directory = "{run.work}/pki"
[telemetry]
log = "warn"
[https]
listen = "127.0.0.1:{port}"
[rpc]
listen = "127.0.0.1:{free_port()}"
[operations]
listen = "127.0.0.1:{free_port()}"
[registration]
access = "open"
scopes = ["read"]
grants = ["client_credentials"]
""")
    argv = [f"{run.programs}/key-manager", "--config", config]
    process = run.processes.start(argv, run.args.server_core, "key-manager", port)
    clients = {}
    for form in ("jwt", "opaque"):
        wanted = {"grant_types": ["client_credentials"], "access_token_format": form, "id_token_signed_response_alg": "ES256"}
        status, text = post(port, "/oauth2/register", json.dumps(wanted), {"Content-Type": "application/json"})
        assert status == 201, text
        made = json.loads(text)
        clients[form] = made["client_id"], made["client_secret"]
    return process, Issuer(port, {"token": "/oauth2/token", "introspect": "/oauth2/introspect"}, clients)


def oidc_provider(run):
    """The package with what it keeps in memory; after the key manager, whose certificate it shows."""
    port, pki = free_port(), f"{run.work}/pki"
    settings = {"folder": run.package, "port": port, "secret": _SECRET,
                "certificate": f"{pki}/key-manager.pem", "key": f"{pki}/key-manager.key"}
    argv = ["env", "NODE_ENV=production", "node", f"{_HERE}/oidc_provider.mjs", json.dumps(settings)]
    process = run.processes.start(argv, run.args.server_core, "oidc-provider", port)
    clients = {form: (form, _SECRET) for form in ("jwt", "opaque")}
    return process, Issuer(port, {"token": "/token", "introspect": "/token/introspection"}, clients)


ISSUERS = {"key-manager": key_manager, "oidc-provider": oidc_provider}
