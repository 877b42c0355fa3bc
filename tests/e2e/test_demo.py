"""`make demo`: tells the whole story, or says where it ended."""

import io
import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest

from dev.demo_narrator import Narrator, StepFailedError
from dev.demo_story import Story
from dev.deployment import ROOT, environment, new_encryption_key
from dev.environment import SANDBOX_TOKENS
from dev.flow import Browser

pytestmark = pytest.mark.e2e


def run(**settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dev.demo"],
        env=environment(settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def store(database: Callable[[int], str]) -> str:
    """Return the store of the demo."""
    return database(3)


@pytest.fixture(scope="module")
def told(store: str) -> subprocess.CompletedProcess[str]:
    """Return a demo that was told to the end."""
    return run(REDIS_URL=store, OAUTH_ENCRYPTION_KEY=new_encryption_key())


def test_demo_ends_with_the_revoked_token_refused(told: subprocess.CompletedProcess[str]) -> None:
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stderr == ""
    steps = [line for line in told.stdout.splitlines() if line[:2].strip().isdigit()]
    assert [step[:2] for step in steps] == [f"{number:>2}" for number in range(1, len(steps) + 1)]
    assert len(steps) >= 14
    ending = told.stdout.partition(steps[-1])[2]
    assert "401 invalid_token: the revoked token was refused after" in ending
    assert "insufficient_scope" in told.stdout
    assert told.stdout.splitlines()[-1] == "Every step went as it should."


def test_demo_shows_no_secret_and_no_colour_to_a_file(told: subprocess.CompletedProcess[str]) -> None:
    assert SANDBOX_TOKENS[0] not in told.stdout
    assert max(len(word) for word in told.stdout.split() if word.startswith(("vt", "eyJ"))) < 20
    assert "\x1b" not in told.stdout


def test_demo_that_cannot_start_says_why(told: subprocess.CompletedProcess[str], store: str) -> None:
    assert told.returncode == 0
    refused = run(REDIS_URL=store, OAUTH_ENCRYPTION_KEY=new_encryption_key())
    assert refused.returncode == 1
    assert "OAUTH_ENCRYPTION_KEY is not the key" in refused.stdout
    assert refused.stderr == ""


@pytest.mark.anyio
async def test_step_that_goes_another_way_is_named() -> None:
    out = io.StringIO()
    narrator = Narrator(out)
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, json={}))
    async with httpx.AsyncClient(transport=transport) as http:
        story = Story(narrator, http, Browser(http, SANDBOX_TOKENS[0]), "http://127.0.0.1/mcp")
        with pytest.raises(StepFailedError, match="answered 200 instead of 401"):
            await story.tell()
    assert narrator.title == "step 1 (Knock without a token)"


def test_colour_is_for_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, file = Terminal(), io.StringIO()
    for out in (terminal, file):
        Narrator(out).step("A step")
    assert "\x1b[1m" in terminal.getvalue()
    assert "\x1b" not in file.getvalue()
