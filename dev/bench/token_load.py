"""The load of the token endpoint: chains of requests, each made from the answer before.

A process of its own, `python -m dev.bench.token_load <seconds>`: takes the chains, and the URLs of the
replicas that they ask in turn, as JSON on standard input; prints how many answers a second came, as JSON.
"""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Mapping
from typing import Any

from dev.wire import Wire


async def refresh_chain(url: str, form: Mapping[str, str], until: float) -> int:
    """Refresh again and again, each time with the newest token; return how often it worked."""
    wire = await Wire.open(url)
    form = dict(form)
    done = 0
    while time.perf_counter() < until:
        form["refresh_token"] = (await _answered(wire, form))["refresh_token"]
        done += 1
    wire.close()
    return done


async def redeem_all(url: str, forms: list[Mapping[str, str]]) -> int:
    """Redeem codes one after the other; return how many."""
    wire = await Wire.open(url)
    for form in forms:
        await _answered(wire, form)
    wire.close()
    return len(forms)


async def _answered(wire: Wire, form: Mapping[str, str]) -> dict[str, Any]:
    status, answer = await wire.ask(form)
    if status != 200:
        raise RuntimeError(f"{status} {answer}")
    return answer


async def main(seconds: float, work: Mapping[str, Any]) -> None:
    """Run all chains at once and print the rate."""
    began = time.perf_counter()
    urls = itertools.cycle(work["urls"])
    if "refresh" in work:
        chains = [refresh_chain(next(urls), form, began + seconds) for form in work["refresh"]]
    else:
        chains = [redeem_all(next(urls), forms) for forms in work["redeem"]]
    done = sum(await asyncio.gather(*chains))
    print(json.dumps({"rate": done / (time.perf_counter() - began)}))


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), json.load(sys.stdin)))
