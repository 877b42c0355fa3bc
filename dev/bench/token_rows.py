"""Rows about the token endpoint: code and refresh, Redis and a signed JWT included, against signing alone."""

import asyncio
import json
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

import httpx

from dev.bench import servers
from dev.bench.load import LOAD_CORE, SERVER_CORE, BenchError, Target, pinned, run
from dev.bench.rows import SANDBOX_TOKEN, Plan, Row
from dev.deployment import ROOT, Deployment
from dev.flow import Browser, OAuthClient, Pkce

CHAINS: Final = 16
CODES: Final = 800
"""Codes redeemed in one measurement; they live a minute, and each takes a person's approval."""

_SIGNATURES: Final = re.compile(r"^rsa\s+2048 bits\s+\S+\s+\S+\s+([\d.]+)", re.MULTILINE)


def token_rows(plan: Plan) -> Iterable[Row]:
    """Measure refreshing and redeeming against `openssl speed`, and against node's oidc-provider."""
    with servers.ours(plan.folder) as deployment:
        rounds = [
            (_refreshes(plan, deployment), _redemptions(plan, deployment), _signatures(plan))
            for _ in range(plan.rounds)
        ]
    peer = None
    if plan.peers:
        with servers.oidc_provider(plan.folder) as url:
            peer = statistics.median(_client_credentials(plan, url) for _ in range(plan.rounds))
    for name, place in (("POST /oauth/token, refresh", 0), ("POST /oauth/token, code", 1)):
        ours = statistics.median(each[place] for each in rounds)
        ratios = [each[place] / each[2] for each in rounds]
        spread = (max(ratios) - min(ratios)) / statistics.median(ratios)
        signed = statistics.median(each[2] for each in rounds)
        yield Row(name, "openssl speed rsa2048, signatures", ours, signed, 0.5, spread)
        if peer is not None:
            yield Row(name, "oidc-provider 9, client_credentials", ours, peer, 1.2, spread)


def _refreshes(plan: Plan, deployment: Deployment) -> float:
    forms = asyncio.run(_refresh_forms(deployment))
    return _load(plan, {"url": _url(deployment), "refresh": forms})


def _redemptions(plan: Plan, deployment: Deployment) -> float:
    count = CODES if plan.rounds > 1 else CODES // 10
    forms = asyncio.run(_code_forms(deployment, count))
    return _load(plan, {"url": _url(deployment), "redeem": [forms[n::CHAINS] for n in range(CHAINS)]})


def _load(plan: Plan, work: Mapping[str, Any]) -> float:
    command = [*pinned(LOAD_CORE), sys.executable, "-m", "dev.bench.token_load", str(plan.seconds)]
    done = subprocess.run(
        command, input=json.dumps(work), capture_output=True, text=True, check=False, cwd=ROOT
    )
    if done.returncode:
        raise BenchError(f"the token endpoint refused:\n{done.stderr[-2000:]}")
    return float(json.loads(done.stdout)["rate"])


def _signatures(plan: Plan) -> float:
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
    return float(found.group(1))


def _client_credentials(plan: Plan, url: str) -> float:
    body = "grant_type=client_credentials&client_id=bench&client_secret=bench-secret"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return run(Target("oidc-provider", url, headers, body, []), plan.folder, seconds=plan.seconds).rate


def _url(deployment: Deployment) -> str:
    return f"{deployment.issuer}/oauth/token"


async def _refresh_forms(deployment: Deployment) -> list[dict[str, str]]:
    async with httpx.AsyncClient() as http:
        client = OAuthClient(http, deployment.issuer)
        await client.register(token_endpoint_auth_method="none")
        browser = Browser(http, SANDBOX_TOKEN)
        form = {"grant_type": "refresh_token", "client_id": client.client_id}
        return [
            {**form, "refresh_token": (await client.tokens(browser))["refresh_token"]} for _ in range(CHAINS)
        ]


async def _code_forms(deployment: Deployment, count: int) -> list[dict[str, str]]:
    async with httpx.AsyncClient() as http:
        client = OAuthClient(http, deployment.issuer)
        await client.register(token_endpoint_auth_method="none")
        browser = Browser(http, SANDBOX_TOKEN)
        forms = []
        for _ in range(count):
            pkce = Pkce.new()
            callback = await browser.approve(client.authorize_url(pkce))
            forms.append(
                {
                    "grant_type": "authorization_code",
                    "client_id": client.client_id,
                    "code": callback.parameters["code"],
                    "code_verifier": pkce.verifier,
                }
            )
        return forms
