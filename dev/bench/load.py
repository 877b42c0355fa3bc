"""One wrk on one core against a server on another."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SERVER_CORE: Final = 0
LOAD_CORE: Final = 1
CONNECTIONS: Final = 16

_RATE: Final = re.compile(r"^Requests/sec:\s+([\d.]+)$", re.MULTILINE)
_LATENCY: Final = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s)$", re.MULTILINE)
_BAD: Final = re.compile(r"^\s+(Non-2xx or 3xx responses: .*|Socket errors: .*)$", re.MULTILINE)
_MILLISECONDS: Final = {"us": 0.001, "ms": 1.0, "s": 1000.0}


class BenchError(Exception):
    """The benchmark cannot go on; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked again and again: one POST. Several bodies or headers take turns."""

    name: str
    url: str
    headers: Mapping[str, str]
    body: str
    tokens: Sequence[str]
    """Bearer tokens that take turns; none: no Authorization header."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Requests per second, and latencies in milliseconds."""

    rate: float
    p50: float
    p99: float


def run(target: Target, folder: Path, *, seconds: float) -> Measured:
    """Return what wrk measured; it runs for `seconds` (at least one).

    Raises:
        BenchError: wrk is missing, or an answer was not 200.
    """
    script = folder / "wrk.lua"
    script.write_text(_script(target), encoding="utf-8")
    command = [
        *pinned(LOAD_CORE),
        _wrk(),
        "--threads=1",
        f"--connections={CONNECTIONS}",
        f"--duration={max(1, round(seconds))}s",
        "--latency",
        f"--script={script}",
        target.url,
    ]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rate = _RATE.search(output)
    bad = _BAD.search(output)
    if rate is None or bad is not None:
        raise BenchError(f"{target.name}: {bad.group(1) if bad else output}")
    latency = {share: float(value) * _MILLISECONDS[unit] for share, value, unit in _LATENCY.findall(output)}
    return Measured(float(rate.group(1)), latency["50"], latency["99"])


def flood(
    url: str, headers: Mapping[str, str], body: str, folder: Path, *, connections: int, seconds: float
) -> tuple[float, float]:
    """Return the answers a second to one POST on so many connections, and which share of them was not 200.

    Raises:
        BenchError: wrk is missing, or measured nothing.
    """
    script = folder / "flood.lua"
    script.write_text(_script(Target("flood", url, headers, body, ())), encoding="utf-8")
    command = [_wrk(), "--threads=1", f"--connections={connections}", f"--duration={max(1, round(seconds))}s"]
    done = subprocess.run([*command, f"--script={script}", url], check=True, capture_output=True, text=True)
    rate, total = _RATE.search(done.stdout), re.search(r"(\d+) requests in", done.stdout)
    if rate is None or total is None:
        raise BenchError(f"wrk says: {done.stdout}")
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    return float(rate.group(1)), (int(bad.group(1)) if bad else 0) / max(1, int(total.group(1)))


def pinned(core: int) -> list[str]:
    """Return the words in front of a command that keep it on one core; none where there is no taskset."""
    taskset = shutil.which("taskset")
    return [] if taskset is None else [taskset, "--cpu-list", str(core)]


def _wrk() -> str:
    found = shutil.which("wrk")
    if found is None:
        raise BenchError(
            "wrk is not installed; on Debian and Ubuntu: apt install wrk; on macOS: brew install wrk"
        )
    return found


def _script(target: Target) -> str:
    lines = ['wrk.method = "POST"', f"wrk.body = {_lua(target.body)}"]
    headers = {"Content-Type": "application/json", **target.headers}
    lines += [f"wrk.headers[{_lua(name)}] = {_lua(value)}" for name, value in headers.items()]
    if not target.tokens:
        return "\n".join(lines)
    lines.append("local tokens = {" + ",".join(_lua(f"Bearer {token}") for token in target.tokens) + "}")
    lines.append(
        """
local turn = 0
local kept = nil
function request()
  if kept then return kept end
  turn = turn % #tokens + 1
  wrk.headers["Authorization"] = tokens[turn]
  local made = wrk.format()
  if #tokens == 1 then kept = made end
  return made
end
"""
    )
    return "\n".join(lines)


def _lua(text: str) -> str:
    # JSON strings are Lua strings, but for \\u escapes: ASCII input makes none.
    if not text.isascii():
        raise BenchError("only ASCII can be sent")
    return json.dumps(text)
