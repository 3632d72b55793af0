"""A person logs in at the key manager with an account at a provider, in a browser without scripts.

The one argument is JSON: `authorize` and `token` (addresses of the key manager), `client`, `redirect`, `title` (on
the provider's button), `name` (there), `authority` (a PEM file). What the person gets is printed as JSON: the
claims of the ID token, or the text of the page where it ended.
"""

import base64
import hashlib
import html
import http.client
import json
import re
import ssl
import sys
import urllib.parse

settings = json.loads(sys.argv[1])
context = ssl.create_default_context(cafile=settings["authority"])
cookies = {}


def ask(url, form=None):
    at = urllib.parse.urlsplit(url)
    connection = http.client.HTTPSConnection(at.hostname, at.port, context=context, timeout=20)
    headers = {"Accept": "text/html", "Cookie": "; ".join(f"{n}={v}" for n, v in cookies.items())}
    body = None
    if form is not None:
        body = urllib.parse.urlencode(form)
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    target = at.path + (f"?{at.query}" if at.query else "")
    connection.request("POST" if body is not None else "GET", target, body, headers)
    answer = connection.getresponse()
    for line in answer.headers.get_all("Set-Cookie") or []:
        name, value = line.split(";")[0].split("=", 1)
        cookies.pop(name, None)
        if value:
            cookies[name] = value
    return answer.status, answer.headers.get("Location"), answer.read().decode()


def forms(page):
    for text in re.findall(r"<form[^>]*>.*?</form>", page, re.S):
        value = lambda tag, name: html.unescape((re.search(rf'\s{name}="([^"]*)"', tag) or ["", ""])[1])
        inputs = re.findall(r"<(?:input|button)[^>]*>", text)
        fields = {value(tag, "name"): value(tag, "value") for tag in inputs if value(tag, "name")}
        yield value(re.match(r"<form[^>]*>", text)[0], "action"), fields, text


def choose(page):
    """The form that the person fills in, and with what."""
    found = list(forms(page))
    for action, fields, text in found:
        if f"Log in with {settings['title']}<" in text and settings["title"]:
            return action, fields
    for action, fields, text in found:
        if "password" in fields and "login" not in fields:
            return None  # The key manager's own page: nobody has a password there.
        if "login" in fields:
            fields |= {"login": settings["name"], "password": "any"}
        if "answer" in fields:
            fields["answer"] = "allow"
        return action, fields
    return None


def main():
    verifier = "v" * 43
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    url = settings["authorize"] + "?" + urllib.parse.urlencode({
        "response_type": "code", "client_id": settings["client"], "redirect_uri": settings["redirect"],
        "scope": "openid profile", "state": "s", "code_challenge": digest, "code_challenge_method": "S256",
    })
    form, seen = None, []
    for _ in range(20):
        seen.append(url.split("?")[0])
        status, location, page = ask(url, form)
        form = None
        if location:
            url = urllib.parse.urljoin(url, location)
            if url.startswith(settings["redirect"]):
                break
            continue
        chosen = choose(page) if status == 200 else None
        if chosen is None:
            print(json.dumps({"page": page, "seen": seen}))
            return
        settings["title"] = settings["title"] if "Log in with" not in page else ""
        url, form = urllib.parse.urljoin(url, chosen[0]), chosen[1]
    code = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query).get("code", [""])[0]
    _, _, text = ask(settings["token"], {
        "grant_type": "authorization_code", "code": code, "redirect_uri": settings["redirect"],
        "client_id": settings["client"], "code_verifier": verifier,
    })
    payload = json.loads(text).get("id_token", "..").split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)) or b"{}")
    print(json.dumps({"claims": claims, "seen": seen, "answer": {} if claims else text}))


main()
