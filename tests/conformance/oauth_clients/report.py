"""How does a script say which of its cases went well? A line of JSON for each."""

import json


def run(cases):
    for name, case in cases.items():
        why = ""
        try:
            case()
        except Exception as error:  # noqa: BLE001 - whatever it is, the case failed
            why = f"{type(error).__name__}: {error}"
        print(json.dumps({"name": name, "why": why}), flush=True)


def same(seen, expected, what=""):
    if seen != expected:
        raise AssertionError(f"{what} {seen!r} instead of {expected!r}")
