"""`python -m auth_server flows`: what happened to an authorization attempt, and what never came."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer
from redis.asyncio import Redis

from auth_server.commands.output import AsJson, instant, print_json, print_table, printable
from auth_server.commands.session import end, with_store
from auth_server.domain.flow_diagnosis import FAILED, Diagnosis, diagnose
from auth_server.settings import AuthSettings
from shared.clock import Clock
from shared.flows.steps import FLOW_SECONDS, Entry, read_flow_id
from shared.flows.store import FlowStore
from shared.key_check import KeyCheck

command = typer.Typer(help="Authorization attempts of the last day: list, show.")

# What the heading of a timeline says already.
_IN_THE_HEADING = frozenset({"client_id", "client_name", "redirect_to", "redirect_kind"})
_WIDTH = 110


@dataclass(frozen=True, slots=True)
class _Flow:
    """An attempt with what is to be said of it."""

    flow: str
    entries: Sequence[Entry]
    diagnosis: Diagnosis

    def fact(self, name: str) -> str:
        return next((entry.facts[name] for entry in self.entries if name in entry.facts), "")

    def members(self) -> Mapping[str, object]:
        return {
            "flow": self.flow,
            "client_id": self.fact("client_id"),
            "client_name": self.fact("client_name"),
            "redirect_to": self.fact("redirect_to"),
            "grant_id": self.fact("grant_id"),
            "began_at": self.entries[0].at // 1000,
            "steps": [_members(entry) for entry in self.entries],
            **asdict(self.diagnosis),
        }


@command.command()
def show(
    flow: Annotated[str, typer.Argument(metavar="ID", help="The attempt's id, as an error page shows it.")],
    as_json: AsJson = False,
) -> None:
    """Show the steps of an attempt, and which request was to come next and never did."""
    known = read_flow_id(flow)
    if known is None:
        raise typer.BadParameter(f"{flow} is not the id of an attempt: they look like flow-7K3M-9QXA-2B4C")

    async def look(settings: AuthSettings, redis: Redis) -> _Flow | None:
        store = await _store(settings, redis)
        entries = await store.read(known)
        return _described(settings, known, entries) if entries else None

    found = with_store(look)
    if found is None:
        hours = FLOW_SECONDS // 3600
        end(
            f"Nothing is recorded of {known}: it is more than {hours} hours old, is of another deployment, "
            "or began in a flood or without a store. The log may still have it, as `flow`.",
            status=1,
        )
    if as_json:
        print_json(found.members())
    else:
        _print(found)


@command.command("list")
def list_flows(
    client_id: Annotated[
        str, typer.Option("--client", metavar="ID", help="Only of the app with this client_id.")
    ] = "",
    failed: Annotated[
        bool, typer.Option("--failed", help="Only those that were refused, or stopped halfway.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Show so many, the newest.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Show the attempts of the last day, newest first."""

    async def look(settings: AuthSettings, redis: Redis) -> list[_Flow]:
        store = await _store(settings, redis)
        return [_described(settings, flow, entries) for flow, entries in await store.every()]

    found = [
        each
        for each in with_store(look)
        if client_id in ("", each.fact("client_id")) and (not failed or each.diagnosis.state in FAILED)
    ]
    if as_json:
        print_json([each.members() for each in found[:limit]])
    else:
        rows = [
            (
                each.flow,
                instant(each.entries[0].at / 1000),
                each.fact("client_name"),
                each.fact("client_id"),
                each.entries[-1].step,
                each.entries[-1].reason,
                each.diagnosis.state,
            )
            for each in found[:limit]
        ]
        print_table(("attempt", "began", "app", "client_id", "last step", "reason", "state"), rows)
    if len(found) > limit:
        typer.echo(f"These are the newest {limit} of {len(found)}; --limit shows more.", err=True)


async def _store(settings: AuthSettings, redis: Redis) -> FlowStore:
    # An emptied store must not pass for one in which nobody has tried anything.
    await KeyCheck(redis, settings.sealer).examine()
    return FlowStore(redis)


def _described(settings: AuthSettings, flow: str, entries: Sequence[Entry]) -> _Flow:
    diagnosis = diagnose(
        entries,
        now=Clock().now(),
        issuer=settings.oauth_issuer_url,
        resource=settings.mcp_resource_url,
    )
    return _Flow(flow, entries, diagnosis)


def _members(entry: Entry) -> Mapping[str, object]:
    members: dict[str, object] = {
        "step": entry.step,
        "at": entry.at / 1000,
        "replica": entry.replica,
        **entry.facts,
    }
    if entry.reason:
        members["reason"] = entry.reason
    if entry.times > 1:
        members |= {"times": entry.times, "last_at": entry.last / 1000}
    return members


def _print(found: _Flow) -> None:
    name, client_id = found.fact("client_name"), found.fact("client_id")
    began = found.entries[0].at
    _line(f"Attempt {found.flow}, began {instant(began / 1000)}")
    if found.fact("purpose") == "account":
        _line("For     the page of connected apps")
    else:
        _line(f"App     {name or 'without a name'} ({client_id or 'client_id unknown'})")
    if found.fact("redirect_to"):
        _line(f"Goes to {found.fact('redirect_to')}")
    _line("")
    rows = [
        (
            _time(entry.at),
            f"+{(entry.at - began) / 1000:.3f}",
            entry.replica,
            entry.step,
            _detail(entry),
        )
        for entry in found.entries
    ]
    print_table(("time (UTC)", "seconds", "replica", "step", ""), rows)
    _line("")
    _print_diagnosis(found.diagnosis)


def _print_diagnosis(diagnosis: Diagnosis) -> None:
    _line(diagnosis.summary)
    if diagnosis.missing:
        _line(f"Next was to come: {diagnosis.missing}")
    for heading, lines in (("Likely:", diagnosis.causes), ("Do:", diagnosis.advice)):
        if lines:
            _line(heading)
        for text in lines:
            for line in textwrap.wrap(text, _WIDTH, initial_indent="  - ", subsequent_indent="    "):
                _line(line)


def _detail(entry: Entry) -> str:
    facts = [
        f"{name}={value}" for name, value in entry.facts.items() if value and name not in _IN_THE_HEADING
    ]
    times = [f"{entry.times} times, last {_time(entry.last)}"] if entry.times > 1 else []
    return ", ".join([*([entry.reason] if entry.reason else []), *facts, *times])


def _time(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{moment:%H:%M:%S}.{milliseconds % 1000:03}"


def _line(text: str) -> None:
    typer.echo(printable(text))
