"""Load on one core against a server on another: wrk, or where it is missing or cannot, a driver of ours."""

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from dev.deployment import ROOT

SERVER_CORE: Final = 0
LOAD_CORE: Final = 1
CONNECTIONS: Final = 16
PACED_CONNECTIONS: Final = 64
OWN_DRIVER: Final = "a driver in Python"

_RATE: Final = re.compile(r"^Requests/sec:\s+([\d.]+)$", re.MULTILINE)
_LATENCY: Final = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s)$", re.MULTILINE)
_BAD: Final = re.compile(r"^\s+(Non-2xx or 3xx responses: .*|Socket errors: .*)$", re.MULTILINE)
_MILLISECONDS: Final = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_PATIENCE_SECONDS: Final = 30.0
_ONCE_SECONDS: Final = 1800.0


class BenchError(Exception):
    """The benchmark cannot go on; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked again and again: one POST. Several tokens take turns."""

    name: str
    url: str
    headers: Mapping[str, str]
    body: str
    tokens: Sequence[str]
    """Bearer tokens that take turns; none: no Authorization header."""
    process_id: int | None = None
    """Of the server, to read its processor time."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Requests per second, and latencies in milliseconds."""

    rate: float
    p50: float
    p99: float


def driver_name() -> str:
    """Return what makes the load here."""
    return OWN_DRIVER if shutil.which("wrk") is None else "wrk"


def probe(target: Target) -> str:
    """Ask once and return the answer, so that nothing is measured that refuses.

    Raises:
        BenchError: the answer was not 200, or says that the call failed.
    """
    credential = {"Authorization": f"Bearer {target.tokens[0]}"} if target.tokens else {}
    headers = {"Content-Type": "application/json", **target.headers, **credential}
    with httpx.Client(timeout=_PATIENCE_SECONDS) as http:
        try:
            answer = http.post(target.url, headers=headers, content=target.body)
        except httpx.HTTPError as error:
            raise BenchError(f"{target.name}: no answer ({error!r})") from error
    if answer.status_code != 200 or not _succeeded(answer.text):
        raise BenchError(f"{target.name}: it answers {answer.status_code} {answer.text[:300]}")
    return answer.text


def tools_in(answer: str) -> list[dict[str, Any]]:
    """Return the tools that an answer lists; none, when it is no list of tools."""
    tools: list[dict[str, Any]] = _message_in(answer).get("result", {}).get("tools", [])
    return tools


def _succeeded(answer: str) -> bool:
    message = _message_in(answer)
    return "error" not in message and not message.get("result", {}).get("isError")


def _message_in(answer: str) -> dict[str, Any]:
    # An answer as an event stream carries its message in a line of data.
    found = re.search(r"^data: (\{.*)$", answer, re.MULTILINE)
    message: dict[str, Any] = json.loads(found.group(1) if found else answer)
    return message


def run(target: Target, folder: Path, *, seconds: float) -> Measured:
    """Return what was measured on the load core; it takes `seconds` (with wrk a whole number, at least one).

    Raises:
        BenchError: an answer was not 200, or none came.
    """
    return run_all([target], folder, seconds=seconds, connections=CONNECTIONS, core=LOAD_CORE)[0]


def run_all(
    targets: Sequence[Target], folder: Path, *, seconds: float, connections: int, core: int | None
) -> list[Measured]:
    """Ask several targets at once, each on so many connections, on one core or (None) on any.

    Raises:
        BenchError: an answer was not 200, or none came.
    """
    front = [] if core is None else pinned(core)
    work = _with_driver if shutil.which("wrk") is None else _with_wrk
    done: list[Measured | BaseException] = [BenchError("not measured")] * len(targets)

    def one(number: int) -> None:
        try:
            done[number] = work(targets[number], folder, front, seconds, connections, number)
        except Exception as error:
            done[number] = error

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(targets))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in done:
        if isinstance(each, BaseException):
            raise each
    return [each for each in done if isinstance(each, Measured)]


def run_paced(target: Target, *, seconds: float, rate: float) -> Measured:
    """Return what was measured when so many requests a second were due, whatever became of those before.

    Raises:
        BenchError: an answer was neither 200 nor 503, or none came.
    """
    return _drive(target, pinned(LOAD_CORE), seconds, PACED_CONNECTIONS, rate)


def send_once(target: Target, bodies: Sequence[str] = ()) -> dict[int, int]:
    """Send each of these bodies, else the target's with each of its tokens, once; count the statuses.

    Raises:
        BenchError: the server hung up.
    """
    more = {"seconds": _ONCE_SECONDS, "rate": None, "once": True}
    answer = _driver(target, bodies or [target.body], pinned(LOAD_CORE), CONNECTIONS, more)
    return {int(status): count for status, count in answer["statuses"].items()}


def flood(
    url: str, headers: Mapping[str, str], body: str, folder: Path, *, connections: int, seconds: float
) -> tuple[float, float]:
    """Return the answers a second to one POST on so many connections, and which share of them was not 200.

    Raises:
        BenchError: wrk is missing, or measured nothing.
    """
    output = _wrk(Target("flood", url, headers, body, ()), folder, [], seconds, connections, 0)
    rate, total = _RATE.search(output), re.search(r"(\d+) requests in", output)
    if rate is None or total is None:
        raise BenchError(f"wrk says: {output}")
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    return float(rate.group(1)), (int(bad.group(1)) if bad else 0) / max(1, int(total.group(1)))


def pinned(core: int) -> list[str]:
    """Return the words in front of a command that keep it on one core; none where there is no taskset."""
    taskset = shutil.which("taskset")
    return [] if taskset is None else [taskset, "--cpu-list", str(core)]


def read_wrk(target: Target, output: str) -> Measured:
    """Return what wrk printed.

    Raises:
        BenchError: an answer was not 200, or none came.
    """
    rate = _RATE.search(output)
    bad = _BAD.search(output)
    if rate is None or bad is not None:
        raise BenchError(f"{target.name}: {bad.group(1) if bad else output}")
    latency = {share: float(value) * _MILLISECONDS[unit] for share, value, unit in _LATENCY.findall(output)}
    return _some(target, Measured(float(rate.group(1)), latency.get("50", 0.0), latency.get("99", 0.0)))


def _with_wrk(
    target: Target, folder: Path, front: Sequence[str], seconds: float, connections: int, number: int
) -> Measured:
    return read_wrk(target, _wrk(target, folder, front, seconds, connections, number))


def _wrk(
    target: Target, folder: Path, front: Sequence[str], seconds: float, connections: int, number: int
) -> str:
    wrk = shutil.which("wrk")
    if wrk is None:
        raise BenchError(
            "wrk is not installed; on Debian and Ubuntu: apt install wrk; on macOS: brew install wrk"
        )
    script = folder / f"wrk-{number}.lua"
    script.write_text(_script(target), encoding="utf-8")
    command = [*front, wrk, "--threads=1", f"--connections={connections}"]
    command += [f"--duration={max(1, round(seconds))}s", "--latency", f"--script={script}", target.url]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise BenchError(f"{target.name}: wrk says {done.stderr or done.stdout}")
    return done.stdout


def _with_driver(
    target: Target, folder: Path, front: Sequence[str], seconds: float, connections: int, number: int
) -> Measured:
    del folder, number
    return _drive(target, front, seconds, connections, None)


def _drive(
    target: Target, front: Sequence[str], seconds: float, connections: int, rate: float | None
) -> Measured:
    answer = _driver(
        target, [target.body], front, connections, {"seconds": seconds, "rate": rate, "once": False}
    )
    # At a pace a server may put some off, and each counts as slow; one that is always asked must not.
    good = {"200"} if rate is None else {"200", "503"}
    if bad := {status: count for status, count in answer["statuses"].items() if status not in good}:
        raise BenchError(f"{target.name}: answers by status {bad}")
    return _some(target, Measured(answer["rate"], answer["p50"], answer["p99"]))


def _driver(
    target: Target, bodies: Sequence[str], front: Sequence[str], connections: int, more: Mapping[str, Any]
) -> Any:
    order = {
        "url": target.url,
        "headers": {"Content-Type": "application/json", **target.headers},
        "bodies": list(bodies),
        "tokens": list(target.tokens),
        "connections": connections,
        **more,
    }
    command = [*front, sys.executable, "-m", "dev.bench.driver"]
    done = subprocess.run(
        command, input=json.dumps(order), capture_output=True, text=True, check=False, cwd=ROOT
    )
    if done.returncode:
        raise BenchError(f"{target.name}: {done.stderr[-1000:]}")
    return json.loads(done.stdout)


def _some(target: Target, measured: Measured) -> Measured:
    if measured.rate <= 0:
        raise BenchError(
            f"{target.name}: nothing was answered while it was measured. Is the computer busy with "
            "something else? Without --quick there is more time."
        )
    return measured


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
