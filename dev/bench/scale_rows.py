"""Rows about more than one worker, and about the processor time of one request, whoever else is busy."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from dev.bench import servers, store_memory
from dev.bench.load import LOAD_CORE, run, run_all
from dev.bench.mcp_rows import CALLS, MODERN_CALL, target
from dev.bench.people import code_forms, refresh_forms
from dev.bench.proc import cpu_seconds
from dev.bench.rows import Cost, Line, Plan, Round, access_token, in_turns, row
from dev.bench.store_memory import StoreMemory
from dev.bench.token_rows import CHAINS, CODES, load_tokens, token_url
from dev.deployment import AUTH, MCP, Deployment, Service
from dev.replicas import Replicas, replicate
from dev.store import open_store

REPLICAS: Final = (1, 2, 3)
_LANES: Final = 24
"""Connections, and chains of refreshes, in all; divided among the replicas."""


def scale_rows(plan: Plan) -> Iterable[Line]:
    """Measure one request's processor time, then one, two and three replicas on all cores here."""
    with servers.ours(plan.folder) as deployment:
        yield from _processor_time(plan, deployment)
    folder = Path(tempfile.mkdtemp(dir=plan.folder))
    environ = {"PATH": os.environ.get("PATH", "")}
    with (
        open_store(environ, folder / "store") as store,
        replicate(store.url, folder, auth=max(REPLICAS), mcp=max(REPLICAS)) as replicas,
    ):
        yield from _replicas("mcp_server", "tools/call", plan, _calls(plan, replicas))
        yield from _replicas("auth_server", "refresh", plan, _refreshes(plan, replicas))


def _replicas(
    service: str, work: str, plan: Plan, measures: Mapping[str, Callable[[], Round]]
) -> Iterable[Line]:
    measured = in_turns(plan.rounds, measures)
    cores = os.cpu_count()
    remark = f"load and store on the same {cores} cores"
    for count, rates in list(measured.items())[1:]:
        words = f"{work}: {count} {service}"
        yield row(f"{service} x{count}", words, "one", rates, measured["1"], remark=remark)


def _calls(plan: Plan, replicas: Replicas) -> Mapping[str, Callable[[], Round]]:
    token = asyncio.run(access_token(replicas.issuer))
    request = CALLS[MODERN_CALL]
    # What a proxy in front would send: the name that all replicas serve.
    host = {"Host": replicas.settings["MCP_RESOURCE_URL"].split("/")[2]}

    def measure(count: int) -> Round:
        targets = []
        for url in replicas.mcp[:count]:
            asked = target(MODERN_CALL, f"{url}/mcp", request, [token])
            targets.append(replace(asked, headers={**host, **asked.headers}))
        done = run_all(targets, plan.folder, seconds=plan.seconds, connections=_LANES // count, core=None)
        return Round(sum(each.rate for each in done))

    return {str(count): partial(measure, count) for count in REPLICAS}


def _refreshes(plan: Plan, replicas: Replicas) -> Mapping[str, Callable[[], Round]]:
    def measure(count: int) -> Round:
        forms = asyncio.run(refresh_forms(replicas.issuer, _LANES))
        work = {"urls": [token_url(url) for url in replicas.auth[:count]], "refresh": forms}
        return Round(load_tokens(work, seconds=plan.seconds, core=None))

    return {str(count): partial(measure, count) for count in REPLICAS}


def _processor_time(plan: Plan, deployment: Deployment) -> Iterable[Cost]:
    with store_memory.opened(deployment.settings["REDIS_URL"]) as store:
        token = asyncio.run(access_token(deployment.issuer))
        asked = target(MODERN_CALL, deployment.resource, CALLS[MODERN_CALL], [token])

        def call() -> int:
            seconds = max(1, round(plan.seconds))
            return round(run(asked, plan.folder, seconds=seconds).rate * seconds)

        yield from _time_of("call", "tools/call", deployment, store, MCP, call)
        url = token_url(deployment.issuer)
        refreshing = {"urls": [url], "refresh": asyncio.run(refresh_forms(deployment.issuer, CHAINS))}

        def refresh() -> int:
            return round(load_tokens(refreshing, seconds=plan.seconds, core=LOAD_CORE) * plan.seconds)

        yield from _time_of("refresh", "refresh", deployment, store, AUTH, refresh)
        connections = plan.some(CODES)

        def connect() -> int:
            forms = asyncio.run(code_forms(deployment.issuer, connections))
            load_tokens({"urls": [url], "redeem": _dealt(forms)}, seconds=0, core=LOAD_CORE)
            return connections

        words = "connecting an app (authorize, consent, code)"
        yield from _time_of("connect", words, deployment, store, AUTH, connect)


def _dealt(forms: Sequence[Mapping[str, str]]) -> list[Sequence[Mapping[str, str]]]:
    return [forms[number::CHAINS] for number in range(CHAINS)]


def _time_of(
    key: str,
    words: str,
    deployment: Deployment,
    store: StoreMemory,
    service: Service,
    work: Callable[[], int],
) -> Iterable[Cost]:
    processes = (deployment.process_id(service), store.process_id())
    before, commands = [cpu_seconds(process) for process in processes], store.commands()
    count = work()
    worker, kept = (
        1e6 * (cpu_seconds(process) - since) / count for process, since in zip(processes, before, strict=True)
    )
    yield Cost(f"{key} cpu", f"{words}: {service.name}_server, processor time", worker, "µs")
    yield Cost(f"{key} store cpu", f"{words}: store, processor time", kept, "µs")
    sent = (store.commands() - commands) / count
    yield Cost(f"{key} commands", f"{words}: store, commands", sent, "")
