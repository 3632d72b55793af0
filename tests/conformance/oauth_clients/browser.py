"""What does a person with a browser do between a client's request and its answer? Without scripts."""

import html
import re
from urllib.parse import urljoin

import requests


def visit(url, until, person, authority):
    """Goes to `url`, logs in and agrees where that is asked; the address that begins with `until`."""
    browser = requests.Session()
    browser.verify = authority
    answer = browser.get(url, allow_redirects=False)
    for _ in range(12):
        if answer.is_redirect:
            url = urljoin(answer.url, answer.headers["location"])
            if url.startswith(until):
                return url
            answer = browser.get(url, allow_redirects=False)
            continue
        form = re.search(r"<form[^>]*>.*?</form>", answer.text, re.S)
        if not form:
            raise RuntimeError(f"stranded at {answer.url}: {answer.text}")
        action, fields = _read(form.group(0), person)
        answer = browser.post(urljoin(answer.url, action), data=fields, allow_redirects=False)
    raise RuntimeError(f"no end of pages at {answer.url}")


def _attribute(tag, name):
    found = re.search(rf'\s{name}="([^"]*)"', tag)
    return html.unescape(found.group(1)) if found else None


def _read(form, person):
    fields = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name = _attribute(tag, "name")
        if _attribute(tag, "type") == "hidden":
            fields[name] = _attribute(tag, "value") or ""
        elif name in ("name", "password"):
            fields[name] = person[name]
    for tag in re.findall(r"<button[^>]*>", form):
        if _attribute(tag, "value") == "allow":
            fields[_attribute(tag, "name")] = "allow"
    return _attribute(re.match(r"<form[^>]*>", form).group(0), "action") or "", fields
