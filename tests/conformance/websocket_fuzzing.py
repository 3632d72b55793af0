# What does Autobahn's fuzzing client say of the WebSocket server at a URL?
#
# usage: python3 -IB websocket_fuzzing.py FOLDER URL CASE...
#
# CASE is a number with stars. Prints, as JSON, the verdicts of each case and how it was closed.

import asyncio
import json
import os
import sys

folder, url, *cases = sys.argv[1:]
sys.path.insert(0, folder)

import kosoku  # noqa: E402

# Cases of one machine that has two cores wait for each other little; more at once would only make
# those slow that give the server a second for its goodbye.
AT_ONCE = 4


def verdict(case):
    return {
        'behavior': case.behavior.value,
        'close': case.behavior_close.value,
        'code': case.remote_close_code,
        'reason': case.remote_close_reason,
        'clean': case.was_clean,
        'result': case.result,
    }


async def main():
    try:
        results = await kosoku.run_fuzzingclient(url, cases, concurrency=AT_ONCE)
    except kosoku.FailureError as failure:
        results = failure.results
    json.dump({case.case_id: verdict(case) for case in results}, sys.stdout)


asyncio.run(main())
sys.stdout.flush()
# The threads of the runner may abort the interpreter while it ends.
os._exit(0)
