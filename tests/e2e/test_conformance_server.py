"""The server that the conformance suite runs against: its fixtures, and the proxy that adds the token."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from mcp import Client

from dev.conformance import report
from dev.conformance.server import baseline_of
from dev.conformance.suite import Outcome, Scenario, outcome_of

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Return where the proxy listens."""
    command = [sys.executable, "-m", "tests.conformance.server"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        yield server.stdout.readline().strip()
        server.stdin.close()
        assert server.wait(20) == 0


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_client_without_a_token_works_through_the_proxy(url: str, mode: str) -> None:
    async with Client(url, mode=mode) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert {"test_simple_text", "json_schema_2020_12_tool"} <= set(names)
        result = await client.call_tool("test_simple_text")
        assert result.content[0].type == "text"
        assert len((await client.list_prompts()).prompts) == 5
        assert len((await client.list_resources()).resources) == 3


async def test_it_is_the_product_s_endpoint_that_answers(url: str) -> None:
    async with httpx.AsyncClient() as http:
        response = await http.get(url)
        foreign = await http.post(url, headers={"Host": "evil.example.com"}, json={})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert foreign.status_code == 421


def test_what_the_suite_prints_becomes_an_outcome() -> None:
    output = """=== SUMMARY ===
✓ ping: 2 passed, 0 failed
✗ tools-call-sampling: 1 passed, 1 failed
✗ tasks-lifecycle: 1 passed, 8 failed

Not scored for 2026-07-28: 1 scenario(s) run, 1 failing.
  ✗ tasks-lifecycle (extension)
"""
    assert outcome_of(0, output) == Outcome(
        True,
        (
            Scenario("ping", 2, 0, None),
            Scenario("tools-call-sampling", 1, 1, None),
            Scenario("tasks-lifecycle", 1, 8, "extension"),
        ),
        output,
    )
    assert not outcome_of(1, output).passed


@pytest.mark.parametrize(("status", "result"), [(0, "expected to fail"), (1, "fails")])
def test_a_failure_is_expected_only_when_the_suite_is_content(
    status: int, result: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "PAGE", tmp_path / "conformance.md")
    report.write({"A server": outcome_of(status, "✗ tools-call-sampling: 1 passed, 1 failed\n")})
    assert f"| tools-call-sampling | 1 of 2 | {result} |" in report.PAGE.read_text(encoding="utf-8")


def test_only_the_revision_that_needs_a_channel_to_the_client_has_expected_failures() -> None:
    assert not baseline_of("2026-07-28").exists()
    lines = baseline_of("2025-11-25").read_text(encoding="utf-8").splitlines()
    assert [line.strip(" -") for line in lines if line.startswith("  - ")] == [
        "tools-call-sampling",
        "tools-call-elicitation",
        "elicitation-sep1034-defaults",
        "elicitation-sep1330-enums",
        "server-sse-multiple-streams:server-sse-multiple-streams-session",
    ]
