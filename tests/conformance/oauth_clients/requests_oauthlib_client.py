"""Does requests-oauthlib get along with the key manager, unchanged? requests_oauthlib_client.py SETTINGS"""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import requests
from oauthlib.oauth2 import BackendApplicationClient, InvalidGrantError
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

from browser import visit
from report import run, same

settings = json.loads(sys.argv[1])
clients, person, redirect = settings["clients"], settings["person"], settings["redirect"]
authority = os.environ["REQUESTS_CA_BUNDLE"]
server = requests.get(settings["issuer"] + "/.well-known/openid-configuration", timeout=10).json()


def code():
    client = clients["basic"]
    session = OAuth2Session(client["id"], redirect_uri=redirect, scope=["openid", "profile", "email"], pkce="S256")
    url, _ = session.authorization_url(server["authorization_endpoint"])
    back = visit(url, redirect, person, authority)
    session.fetch_token(server["token_endpoint"], authorization_response=back, client_secret=client["secret"])
    same(session.get(server["userinfo_endpoint"]).json()["sub"], person["sub"], "sub")
    session.refresh_token(server["token_endpoint"], auth=HTTPBasicAuth(client["id"], client["secret"]))
    same(session.get(server["userinfo_endpoint"]).status_code, 200, "userinfo")
    return session, back


def twice():
    client = clients["basic"]
    session, back = code()
    try:
        session.fetch_token(server["token_endpoint"], authorization_response=back, client_secret=client["secret"])
    except InvalidGrantError:
        same(session.get(server["userinfo_endpoint"]).status_code, 401, "userinfo after the code was used again")
    else:
        raise AssertionError("a code was good twice")


def machine():
    client = clients["machine"]
    session = OAuth2Session(client=BackendApplicationClient(client["id"], scope=["read"]))
    tokens = session.fetch_token(server["token_endpoint"], auth=HTTPBasicAuth(client["id"], client["secret"]))
    same(tokens["token_type"], "Bearer", "type")


run({"code, PKCE and refresh": code, "a code that is used twice": twice, "client credentials": machine})
