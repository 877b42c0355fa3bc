"""`make bench`: that it runs, that it says what it cannot, and what it makes of numbers."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree

import pytest

from dev.bench import chart, flame, load, model, report, results
from dev.bench.load import OWN_DRIVER, BenchError, Target
from dev.bench.mcp_rows import check_list
from dev.bench.results import Group, Results
from dev.bench.rows import Cost, Round, Row, against_bare, in_turns, row
from dev.docs import benchmark

ROOT = Path(__file__).resolve().parents[2]
NOTHING_ANSWERED = """Running 1s test @ http://127.0.0.1:1/mcp
  Latency Distribution
     50%    0.00us
     99%    0.00us
  0 requests in 1.00s, 0.00B read
Requests/sec:      0.00
"""
MEASURED_BY_WRK = """  Latency Distribution
     50%  512.00us
     99%    3.25ms
  9 requests in 1.00s, 1.00KB read
Requests/sec:   4321.50
"""
COSTS = model.Costs(
    call_us=200,
    call_store_us=1,
    refresh_us=1_000,
    refresh_store_us=100,
    refresh_commands=10,
    connect_us=10_000,
    connect_store_us=1_000,
    connect_commands=80,
    grants_megabytes=150,
    client_bytes=750,
    mcp_megabytes=100,
    auth_megabytes=90,
)


def target(url: str = "http://127.0.0.1:1/mcp", tokens: tuple[str, ...] = ()) -> Target:
    return Target("a server", url, {}, "{}", tokens)


def parsed(picture: str) -> ElementTree.Element:
    return ElementTree.fromstring(picture)  # noqa: S314 - it was drawn here


class _Answers(BaseHTTPRequestHandler):
    """Answers with the status that the path says, and keeps what came."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[tuple[str | None, bytes]]] = []
    text: ClassVar[str] = ""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.headers.get("Authorization"), body))
        answer = self.text.encode()
        self.send_response(int(self.path.strip("/")))
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def answering(text: str = "{}") -> Iterator[str]:
    _Answers.seen.clear()
    _Answers.text = text
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# The load


def test_what_wrk_prints_is_read_in_milliseconds() -> None:
    measured = load.read_wrk(target(), MEASURED_BY_WRK)

    assert (measured.rate, measured.p50, measured.p99) == (4321.5, 0.512, 3.25)


def test_a_server_that_answers_nothing_in_time_is_named_rather_than_divided_by() -> None:
    with pytest.raises(BenchError, match=r"a server: nothing was answered .* Without --quick"):
        load.read_wrk(target(), NOTHING_ANSWERED)


def test_answers_that_are_not_200_stop_the_run() -> None:
    output = MEASURED_BY_WRK + "  Non-2xx or 3xx responses: 9\n"

    with pytest.raises(BenchError, match="a server: Non-2xx"):
        load.read_wrk(target(), output)


def test_without_wrk_the_driver_of_our_own_asks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(load.shutil, "which", lambda name: None)

    with answering() as url:
        measured = load.run(target(f"{url}/200", ("one", "two")), tmp_path, seconds=0.3)

    assert measured.rate > 0
    assert 0 < measured.p50 <= measured.p99
    assert {credential for credential, _ in _Answers.seen} == {"Bearer one", "Bearer two"}


def test_without_wrk_the_ratio_to_bare_uvicorn_is_told_and_not_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(load.shutil, "which", lambda name: None)

    wanted, remark = against_bare(0.28)

    assert load.driver_name() == OWN_DRIVER
    assert wanted is None
    assert "not judged" in remark


def test_the_driver_refuses_to_measure_refusals(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(load.shutil, "which", lambda name: None)

    with answering() as url, pytest.raises(BenchError, match=r"a server: answers by status \{'503'"):
        load.run(target(f"{url}/503"), tmp_path, seconds=0.1)


def test_a_paced_load_asks_as_often_as_it_was_told() -> None:
    with answering() as url:
        load.run_paced(target(f"{url}/200"), seconds=0.5, rate=100)

    # Due moments are random, and the same each time.
    assert len(_Answers.seen) == 53


def test_at_a_pace_a_request_that_is_put_off_counts_as_slow() -> None:
    with answering() as url:
        measured = load.run_paced(target(f"{url}/503"), seconds=0.1, rate=100)

    assert measured.p50 >= 5_000


def test_each_body_is_sent_once_and_statuses_are_counted() -> None:
    bodies = [json.dumps({"number": number}) for number in range(50)]

    with answering() as url:
        statuses = load.send_once(target(f"{url}/201"), bodies)

    assert statuses == {201: 50}
    assert sorted(body.decode() for _, body in _Answers.seen) == sorted(bodies)


@pytest.mark.parametrize(
    "text", ['{"result": {}}', 'event: message\r\ndata: {"result": {"content": []}}\r\n\r\n']
)
def test_a_server_that_answers_is_measured(text: str) -> None:
    with answering(text) as url:
        assert load.probe(target(f"{url}/200")) == text


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (200, '{"error": {"code": -32602}}'),
        (200, '{"result": {"isError": true}}'),
        (401, '{"result": {}}'),
    ],
)
def test_a_call_that_fails_is_not_measured(status: int, text: str) -> None:
    with answering(text) as url, pytest.raises(BenchError, match=f"a server: it answers {status}"):
        load.probe(target(f"{url}/{status}"))


def test_who_lists_another_number_of_tools_is_not_measured() -> None:
    listed = '{"result": {"tools": [{"name": "whoami"}, {"name": "list_vals"}]}}'
    streamed = f"event: message\r\ndata: {listed}\r\n\r\n"
    one = '{"result": {"tools": [{"name": "whoami"}]}}'
    called = '{"result": {"content": []}}'

    check_list(target(), streamed, listed)
    check_list(target(), called, called)
    with pytest.raises(BenchError, match="a server: it lists 1 tools, this server 2"):
        check_list(target(), one, listed)


# The numbers


def test_contenders_take_turns() -> None:
    order: list[str] = []

    def measure(name: str) -> Round:
        order.append(name)
        return Round(len(order))

    measured = in_turns(2, {"a": lambda: measure("a"), "b": lambda: measure("b")})

    assert order == ["a", "b", "a", "b"]
    assert measured == {"a": [Round(1), Round(3)], "b": [Round(2), Round(4)]}


def test_a_ratio_is_of_medians_and_its_spread_of_rounds() -> None:
    compared = row("key", "calls", "theirs", _rounds(100, 300, 200), _rounds(100, 100, 100), wanted=2.5)

    assert compared.ratio == 2.0
    assert compared.spread == 1.0
    assert compared.is_met is False


def test_a_ratio_by_processor_time_is_told_where_both_can_tell() -> None:
    told = row("key", "calls", "theirs", [Round(10, 50)], [Round(20, 200)])
    untold = row("key", "calls", "theirs", [Round(10, 50)], [Round(20)])

    assert told.by_cpu == 0.25
    assert untold.by_cpu is None


def test_what_is_only_noted_is_neither_met_nor_missed() -> None:
    assert Cost("key", "memory", 5, "MB").is_met is None
    assert row("key", "calls", "theirs", _rounds(1), _rounds(2)).is_met is None


def test_results_survive_their_file(tmp_path: Path) -> None:
    kept = _results()
    path = tmp_path / "latest.json"
    path.write_text(results.to_json(kept), encoding="utf-8")

    assert results.read(path) == kept


def test_a_run_of_one_group_leaves_the_others() -> None:
    kept = _results().with_group("cost", [Cost("mcp idle", "memory", 80, "MB", 90)])

    assert kept.groups.keys() == {"mcp", "scale", "cost"}
    assert kept.values()["mcp idle"] == 80


def test_the_terminal_says_which_row_is_not_met() -> None:
    slow = Row("key", "tools/call", "bare uvicorn", 20, 100, 0.28, 0.1)

    assert "at least 0.28: NOT MET" in report.line(slow)
    assert "at least 0.28: met" in report.line(replace(slow, ours=30))


def test_the_page_has_every_line_and_the_model() -> None:
    page = report.page(_results())

    assert (
        "| tools/call whoami, 2026-07-28 | bare | 4,000 | 16,000 | 0.25 | 10% | 0.31 | 0.28 | NOT MET |"
        in page
    )
    assert "## On paper" in page
    assert "| calls a second | 10,000 |" in page


# The model


def test_the_model_counts_cores_by_processor_time() -> None:
    found = model.installation(COSTS, model.Demand(calls_per_second=3_000, busy=0.5))

    # 3,000 times 200 µs are 0.6 s in a second: 1.2 cores that are half busy, so 2, and a spare one.
    assert found.mcp_workers == 3


def test_the_model_counts_refreshes_by_the_grants_in_use() -> None:
    demand = model.Demand(people=1_000_000, grants_per_person=1.8, share_in_use=0.2)

    found = model.installation(COSTS, demand)

    assert found.refreshes_per_second == pytest.approx(100)
    assert found.store_gigabytes == pytest.approx(1.8e6 * 150 * 2**20 / 1e5 / 1e9 + 1e5 * 750 / 1e9)


def test_the_model_is_left_out_when_a_cost_was_not_measured() -> None:
    values = dict.fromkeys(model.KEYS, 1.0)

    assert model.costs_of(values) is not None
    assert model.costs_of({key: 1.0 for key in values if key != "call cpu"}) is None


# The pictures


def test_the_chart_is_xml_that_tells_each_number_in_words() -> None:
    drawn = parsed(chart.svg(_results()))

    words = drawn.findtext("{http://www.w3.org/2000/svg}desc")
    assert words is not None
    assert "this server 4,000" in words
    assert len(drawn.findall("{http://www.w3.org/2000/svg}rect")) == 4


def test_a_chart_of_nothing_is_still_a_picture() -> None:
    assert parsed(chart.svg(Results())).tag.endswith("svg")


def test_a_flame_graph_begins_at_the_event_loop_and_knows_whose_a_frame_is() -> None:
    below = "main (mcp_server/__main__.py);Runner.run (asyncio/runners.py)"
    stacks = flame.read(
        f"{below};call (/x/mcp_server/app.py:7) 60\n"
        f"{below};send (/x/site-packages/uvicorn/h.py) 39\n"
        "_worker (/usr/lib/python3.11/concurrent/futures/thread.py) 500\n"
    )

    root = flame.tree(stacks)
    loop = root.called["Runner.run (asyncio/runners.py)"]
    picture = flame.svg(root, "a worker")

    assert root.samples == 99
    assert {frame.name: frame.kind for frame in loop.called.values()} == {
        "call (mcp_server/app.py)": "ours",
        "send (uvicorn/h.py)": "library",
    }
    assert parsed(picture).tag.endswith("svg")
    assert flame.shares(stacks, 1) == [("call (mcp_server/app.py)", 60 / 99, 60 / 99)]


# The command


def test_what_quick_measures_is_not_written_down() -> None:
    done = _bench("--quick", "--write")

    assert done.returncode == 2
    assert "not worth writing down" in done.stderr


def test_an_unknown_group_is_named() -> None:
    done = _bench("everything")

    assert done.returncode == 2
    assert "There is no everything" in done.stderr


@pytest.mark.e2e
def test_the_smallest_slice_runs(tmp_path: Path) -> None:
    done = _bench("mcp", "--quick", "--without-peers", "--folder", str(tmp_path))

    assert done.returncode == 0, done.stderr
    kept = results.read(tmp_path / "quick.json")
    names = {line.name for line in kept.groups["mcp"].lines}
    assert names == {
        "tools/list, 2026-07-28",
        "tools/list, 2025-11-25",
        "tools/call whoami, 2026-07-28",
        "tools/call whoami, 2025-11-25",
        "first use of a token (signature verified)",
    }
    assert not (tmp_path / "latest.json").exists()


def test_the_committed_figures_are_whole() -> None:
    """Every group has been measured, and what is said to be met is."""
    kept = results.read(benchmark.KEPT)

    assert kept.groups.keys() == report.TITLES.keys()
    assert model.costs_of(kept.values()) is not None


def _bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not re.match("OAUTH_|MCP_|REDIS_", name)}
    return subprocess.run(
        [sys.executable, "-m", "dev.bench", *arguments],
        cwd=ROOT,
        env={**environ, "COLUMNS": "200", "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=False,
    )


def _rounds(*rates: float) -> list[Round]:
    return [Round(rate) for rate in rates]


def _results() -> Results:
    fast = Row(
        "tools/call whoami, 2026-07-28 bare-fast",
        "tools/call whoami, 2026-07-28",
        "bare",
        4e3,
        16e3,
        0.28,
        0.1,
        0.31,
    )
    fastmcp = replace(fast, key="tools/call whoami, 2026-07-28 fastmcp-fast", theirs=800.0, wanted=12.0)
    costs = [Cost(key, key, getattr(COSTS, name) * 1.0, "") for key, name in model.KEYS.items()]
    return Results(
        {"mcp": Group([fast, fastmcp], "now", "here", "wrk"), "scale": Group(costs, "now", "here", "wrk")}
    )
