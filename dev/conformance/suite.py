"""The conformance suite: installed once, run as often as wanted; offline after that."""

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

VERSION: Final = "0.2.0-alpha.12"
NODE: Final = "22"
"""The suite crashes on older ones; npm has Node itself as a package."""

_FOLDER: Final = Path(__file__).resolve().parent.parent.parent / ".run" / "conformance"
_SUMMARY: Final = re.compile(r"^([✓✗]) ([a-z0-9-]+): (\d+) passed, (\d+) failed$", re.MULTILINE)
_UNSCORED: Final = re.compile(r"^  [✓✗] ([a-z0-9-]+) \(([a-z-]+)\)$", re.MULTILINE)
_INSTALL_SECONDS: Final = 300
_RUN_SECONDS: Final = 300


class SuiteMissingError(Exception):
    """The suite cannot be had here; the message says why."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """How one scenario went; `unscored` says why it does not count, if it does not."""

    name: str
    passed: int
    failed: int
    unscored: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run went: whether the suite is content, each scenario, and everything it printed."""

    passed: bool
    scenarios: tuple[Scenario, ...]
    output: str


def install() -> None:
    """Install the suite unless it is there.

    Raises:
        SuiteMissingError: npm is not there, or does not get it.
    """
    if _is_there():
        return
    npm = shutil.which("npm")
    if npm is None:
        raise SuiteMissingError("npm is not on the PATH")
    _FOLDER.mkdir(parents=True, exist_ok=True)
    (_FOLDER / "package.json").write_text('{"private": true}\n', encoding="utf-8")
    packages = [f"node@{NODE}", f"@modelcontextprotocol/conformance@{VERSION}"]
    command = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error", *packages]
    try:
        done = subprocess.run(
            command, cwd=_FOLDER, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise SuiteMissingError(f"npm did not finish within {_INSTALL_SECONDS} seconds") from None
    if done.returncode != 0 or not _is_there():
        raise SuiteMissingError(f"npm install failed: {done.stderr.strip()[-500:]}")


def run(*arguments: str, watch: Callable[[str], None] = lambda _line: None) -> Outcome:
    """Run the suite and return how it went.

    Args:
        arguments: of the suite's command line.
        watch: called with each line as soon as it is printed; what it raises ends the run.
    """
    node = _FOLDER / "node_modules" / ".bin" / "node"
    program = _FOLDER / "node_modules" / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
    printed: list[str] = []
    with subprocess.Popen(
        [str(node), str(program), *arguments],
        cwd=_FOLDER,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        deadline = threading.Timer(_RUN_SECONDS, process.kill)
        deadline.start()
        try:
            for line in process.stdout or ():
                printed.append(line)
                watch(line)
            status = process.wait()
        finally:
            deadline.cancel()
            process.kill()
    return outcome_of(status, "".join(printed))


def outcome_of(status: int, output: str) -> Outcome:
    """Return how a run went, by its exit status and what it printed."""
    return Outcome(status == 0, _scenarios(output), output)


def _is_there() -> bool:
    manifest = _FOLDER / "node_modules" / "@modelcontextprotocol" / "conformance" / "package.json"
    node = _FOLDER / "node_modules" / ".bin" / "node"
    return (
        manifest.is_file()
        and node.exists()
        and json.loads(manifest.read_text(encoding="utf-8"))["version"] == VERSION
    )


def _scenarios(output: str) -> tuple[Scenario, ...]:
    unscored = dict(_UNSCORED.findall(output))
    return tuple(
        Scenario(name, int(passed), int(failed), unscored.get(name))
        for _mark, name, passed, failed in _SUMMARY.findall(output)
    )
