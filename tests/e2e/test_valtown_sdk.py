"""Val Town's own SDK (npm) against the sandbox: the stand-in is not only true to our client."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.npm import installed

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def sdk() -> Path:
    """Return the SDK's entry file."""
    return installed("@valtown/sdk", "2.1.0", "index.mjs")


@pytest.fixture
def sandbox_url(tmp_path: Path) -> Iterator[str]:
    """Return the address of a sandbox in a process of its own."""
    variables = {**os.environ, "SANDBOX_PORT": "0", "SANDBOX_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "mcp_server.sandbox"]
    with subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
        process.terminate()


def run(sdk: Path, url: str) -> dict[str, Any]:
    script = Path(__file__).with_name("valtown_sdk.mjs")
    command = ["node", str(script), str(sdk), url, "vtwn_sandbox_ada"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_every_method_of_the_sdk_works_against_the_sandbox(sdk: Path, sandbox_url: str) -> None:
    told = run(sdk, sandbox_url)
    assert told["called"] == told["offered"]
    assert len(told["called"]) == 34
    seen = told["seen"]
    assert (seen["me"], seen["alias"], seen["user"], seen["orgs"]) == ("ada", "grace", "ada", ["sandbox-org"])
    assert (seen["val"], seen["byName"], seen["branch"]) == ("contract", True, "draft")
    # What the SDK walks page by page.
    assert seen["mine"] == ["contract", "nightly-report", "hello-http"]
    assert seen["branches"] == ["main", "draft"]
    assert (seen["files"], seen["file"], seen["content"]) == (["a", "c.ts"], "c.ts", "two")
    assert [variable["key"] for variable in seen["variables"]] == ["KEY"]
    assert (seen["stored"], seen["blobs"], seen["blob"]) == ("ok", [["k/a.bin", 256]], 256)
    assert seen["results"][1]["rows"] == [[1, "x"]]
    assert seen["email"]["message"]
    assert (seen["traces"], seen["logs"]) == (2, True)


def test_the_sdk_reads_the_sandbox_s_refusals_as_val_town_s(sdk: Path, sandbox_url: str) -> None:
    seen = run(sdk, sandbox_url)["seen"]
    kinds = {
        name: (seen[name]["name"], seen[name]["status"])
        for name in ("conflict", "gone", "noBlob", "stranger")
    }
    assert kinds == {
        "conflict": ("ConflictError", 409),
        "gone": ("NotFoundError", 404),
        "noBlob": ("NotFoundError", 404),
        "stranger": ("AuthenticationError", 401),
    }
    # The API has no search any more, though this SDK still asks for it.
    assert seen["search"]["status"] == 404
