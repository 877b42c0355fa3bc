"""`python -m dev.compliance`: TEST_SERVER_URL and VAL_TOWN_API_TOKEN say what to check and who signs in."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Final
from urllib.parse import urlsplit

import httpx

from dev.compliance.authorize import check_authorize
from dev.compliance.discovery import check_discovery
from dev.compliance.management import check_management
from dev.compliance.mcp import check_mcp
from dev.compliance.pages import check_pages
from dev.compliance.refresh import check_refresh
from dev.compliance.registration import check_registration
from dev.compliance.report import Report
from dev.compliance.revocation import check_revocation
from dev.compliance.target import TIMEOUT, Target
from dev.compliance.tokens import check_tokens
from dev.flow import FlowError

Group = Callable[[Target, Report], Awaitable[None]]

GROUPS: Final[tuple[tuple[str, Group], ...]] = (
    ("Registration", check_registration),
    ("Management of registrations", check_management),
    ("Authorization request", check_authorize),
    ("Sign-in and consent", check_pages),
    ("Codes and access tokens", check_tokens),
    ("Refresh tokens", check_refresh),
    ("MCP", check_mcp),
    ("Revocation", check_revocation),
)


def main() -> int:
    """Make all checks; return 0 when all hold, 1 when one fails, 2 when it is not said what to check."""
    problems = _problems(os.environ)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        return 2
    url = os.environ["TEST_SERVER_URL"].rstrip("/")
    mcp_url = url if urlsplit(url).path else f"{url}/mcp"
    report = Report(sys.stdout)
    report.say(f"Checking {mcp_url}")
    try:
        asyncio.run(_check(mcp_url, os.environ["VAL_TOWN_API_TOKEN"], report))
    except KeyboardInterrupt:
        report.that("to the end", False, expected="all checks", got="interrupted")
    return report.finish()


def _problems(environ: Mapping[str, str]) -> list[str]:
    problems = []
    url = environ.get("TEST_SERVER_URL", "")
    if not url:
        problems.append(
            "TEST_SERVER_URL is not set: the public address of the deployment to check, for example "
            "TEST_SERVER_URL=http://localhost:8080"
        )
    elif urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        problems.append(f"TEST_SERVER_URL is {url!r}, which is no http or https URL.")
    if not environ.get("VAL_TOWN_API_TOKEN"):
        problems.append(
            "VAL_TOWN_API_TOKEN is not set: the Val Town API token to sign in with (a sandbox deployment "
            "takes vtwn_sandbox_ada)."
        )
    return problems


async def _check(mcp_url: str, api_token: str, report: Report) -> None:
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=TIMEOUT))
        target = Target(http, stack, mcp_url, api_token)
        target.browser = await target.new_browser()
        await _guarded("Discovery", check_discovery, target, report)
        if not target.issuer or not target.metadata:
            report.say("\nWithout an issuer there is nothing more to check.")
            return
        target.client, target.other_client = target.new_client(), target.new_client()
        target.public_client = target.new_client("http://127.0.0.1:49152/callback")
        for title, group in GROUPS:
            await _guarded(title, group, target, report)
        await _guarded("", _tidy, target, report)


async def _guarded(title: str, group: Group, target: Target, report: Report) -> None:
    """Run a group; when it cannot go on, that is one failed check, and the next group has its turn."""
    if title:
        report.group(title)
    try:
        await group(target, report)
    except (FlowError, httpx.HTTPError, LookupError, ValueError, TypeError) as error:
        problem = f"{type(error).__name__}: {error}"
        report.that(f"{title.lower() or 'tidying up'}: every step", False, expected="answers", got=problem)


async def _tidy(target: Target, _report: Report) -> None:
    await target.tidy()


if __name__ == "__main__":
    sys.exit(main())
