"""Rows about the token endpoint: code and refresh, Redis and a signed JWT included, against signing alone."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final

from dev.bench import servers
from dev.bench.load import LOAD_CORE, SERVER_CORE, BenchError, Target, pinned
from dev.bench.people import code_forms, refresh_forms
from dev.bench.rows import Plan, Round, Row, by_processor, in_turns, rates, row
from dev.deployment import AUTH, ROOT

CHAINS: Final = 16
CODES: Final = 640
"""Codes redeemed in one measurement; they live a minute, and each takes a person's approval."""

_SIGNATURES: Final = re.compile(r"^rsa\s+2048 bits\s+\S+\s+\S+\s+([\d.]+)", re.MULTILINE)


def token_rows(plan: Plan) -> Iterable[Row]:
    """Measure refreshing and redeeming against `openssl speed`, and against node's oidc-provider."""
    with servers.ours(plan.folder) as deployment, ExitStack() as stack:
        issuer = deployment.issuer
        worker = deployment.process_id(AUTH)
        contenders: dict[str, Callable[[], Round]] = {
            "refresh": lambda: _refreshes(plan, issuer, worker),
            "code": lambda: _redemptions(plan, issuer, worker),
            "openssl": lambda: _signatures(plan),
        }
        if plan.peers:
            peer = stack.enter_context(servers.oidc_provider(plan.folder))
            contenders["oidc-provider"] = lambda: _client_credentials(plan, peer)
        measured = in_turns(plan.rounds, contenders)
    for key in ("refresh", "code"):
        name, ours = f"POST /oauth/token, {key}", measured[key]
        signed = measured["openssl"]
        yield row(f"{key} openssl", name, "openssl speed rsa2048, signatures", ours, signed, wanted=0.5)
        if plan.peers:
            theirs = measured["oidc-provider"]
            words = "oidc-provider 9, client_credentials"
            yield row(f"{key} oidc-provider", name, words, ours, theirs, wanted=1.2)


def token_url(issuer: str) -> str:
    """Return the token endpoint of an auth_server."""
    return f"{issuer}/oauth/token"


def load_tokens(work: Mapping[str, Any], *, seconds: float, core: int | None) -> float:
    """Return the answers a second to the chains of requests in `work`, for `dev.bench.token_load`.

    Raises:
        BenchError: one was refused.
    """
    front: Sequence[str] = [] if core is None else pinned(core)
    command = [*front, sys.executable, "-m", "dev.bench.token_load", str(seconds)]
    done = subprocess.run(
        command, input=json.dumps(work), capture_output=True, text=True, check=False, cwd=ROOT
    )
    if done.returncode:
        raise BenchError(f"the token endpoint refused:\n{done.stderr[-2000:]}")
    rate = float(json.loads(done.stdout)["rate"])
    if rate <= 0:
        raise BenchError("the token endpoint answered nothing while it was measured")
    return rate


def _refreshes(plan: Plan, issuer: str, worker: int) -> Round:
    forms = asyncio.run(refresh_forms(issuer, CHAINS))
    work = {"urls": [token_url(issuer)], "refresh": forms}

    def refresh() -> tuple[float, float]:
        rate = load_tokens(work, seconds=plan.seconds, core=LOAD_CORE)
        return rate, rate * plan.seconds

    return by_processor(worker, refresh)


def _redemptions(plan: Plan, issuer: str, worker: int) -> Round:
    forms = asyncio.run(code_forms(issuer, plan.some(CODES)))
    work = {"urls": [token_url(issuer)], "redeem": [forms[n::CHAINS] for n in range(CHAINS)]}
    return by_processor(
        worker, lambda: (load_tokens(work, seconds=plan.seconds, core=LOAD_CORE), float(len(forms)))
    )


def _signatures(plan: Plan) -> Round:
    openssl = shutil.which("openssl")
    if openssl is None:
        raise BenchError("openssl is not installed")
    command = [
        *pinned(SERVER_CORE),
        openssl,
        "speed",
        "-seconds",
        str(max(1, round(plan.seconds))),
        "rsa2048",
    ]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = _SIGNATURES.search(output)
    if found is None:
        raise BenchError(f"openssl speed printed something else:\n{output}")
    # openssl counts processor time, not the clock's.
    rate = float(found.group(1))
    return Round(rate, rate)


def _client_credentials(plan: Plan, peer: servers.Server) -> Round:
    body = "grant_type=client_credentials&client_id=bench&client_secret=bench-secret"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    asked = Target("oidc-provider", peer.url, headers, body, [], peer.process_id)
    return rates(plan, {"oidc-provider": asked}, 1)["oidc-provider"][0]
