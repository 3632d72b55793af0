"""Does Authlib get along with the key manager, unchanged? authlib_client.py SETTINGS"""

import json
import os
import secrets
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from browser import visit
from report import run, same

settings = json.loads(sys.argv[1])
clients, person, redirect = settings["clients"], settings["person"], settings["redirect"]
authority = os.environ["REQUESTS_CA_BUNDLE"]
server = requests.get(settings["issuer"] + "/.well-known/openid-configuration", timeout=10).json()


def session(name, **more):
    client = clients[name]
    return OAuth2Session(client["id"], client.get("secret"), token_endpoint_auth_method=client["method"],
                         revocation_endpoint_auth_method=client["method"], **more)


def login(client):
    verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    url, state = client.create_authorization_url(server["authorization_endpoint"], code_verifier=verifier, nonce=nonce)
    back = visit(url, redirect, person, authority)
    tokens = client.fetch_token(server["token_endpoint"], authorization_response=back, code_verifier=verifier, state=state)
    keys = KeySet.import_key_set(requests.get(server["jwks_uri"], timeout=10).json())
    claims = jwt.decode(tokens["id_token"], keys, algorithms=["ES256", "RS256"]).claims
    same(claims["nonce"], nonce, "nonce")
    same(claims["sub"], person["sub"], "sub")
    return tokens


def whole(name, prepare=lambda client: None):
    client = session(name, scope="openid profile email", redirect_uri=redirect, code_challenge_method="S256")
    prepare(client)
    tokens = login(client)
    same(client.get(server["userinfo_endpoint"]).json()["email"], person["email"], "email")
    next_ones = client.refresh_token(server["token_endpoint"], refresh_token=tokens["refresh_token"])
    if clients[name]["method"] != "none":
        seen = client.introspect_token(server["introspection_endpoint"], token=next_ones["access_token"]).json()
        same(seen["active"], True, "active")
    client.revoke_token(server["revocation_endpoint"], token=next_ones["access_token"])
    same(client.get(server["userinfo_endpoint"]).status_code, 401, "userinfo after the end")


def machine():
    client = session("machine", scope="read")
    tokens = client.fetch_token(server["token_endpoint"], grant_type="client_credentials")
    same(tokens["scope"], "read", "scope")


def by_key():
    def prepare(client):
        client.client_secret = ECKey.import_key(settings["key"])
        client.register_client_auth_method(
            PrivateKeyJWT(settings["issuer"], alg="ES256", headers={"kid": settings["key"]["kid"]})
        )

    whole("key_jwt", prepare)


run({
    "code, PKCE, refresh, introspection and revocation with client_secret_basic": lambda: whole("basic"),
    "code, PKCE, refresh, introspection and revocation with client_secret_post": lambda: whole("post"),
    "code, PKCE, refresh and revocation without authentication": lambda: whole("public"),
    "code, PKCE, refresh, introspection and revocation with private_key_jwt": by_key,
    "client credentials": machine,
})
