"""`python -m auth_server grants`: what people have approved, and taking it back."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from redis.asyncio import Redis

from auth_server.commands.output import ANY_ID, AsJson, instant, print_json, print_members, print_table
from auth_server.commands.session import ask, audited, end, with_store
from auth_server.models import GrantSummary
from auth_server.settings import AuthSettings
from auth_server.store.redis.clients import RedisClientStore
from auth_server.store.redis.consents import RedisConsentStore
from auth_server.store.redis.grant_list import GrantFilter, GrantList
from auth_server.store.redis.grants import GrantLifetimes, RedisGrantStore
from shared.audit.log import AuditLog
from shared.clock import Clock
from shared.flows.recorder import FlowRecorder, replica_name
from shared.flows.steps import Reason, Step
from shared.flows.store import FlowStore
from shared.key_check import KeyCheck
from shared.rate_limit import RateLimiter

command = typer.Typer(help="What people have approved: list, show, revoke.")

User = Annotated[str, typer.Option("--user", metavar="NAME", help="Only of this Val Town user name.")]
ClientId = Annotated[str, typer.Option("--client", metavar="ID", help="Only of the app with this client_id.")]


@dataclass(frozen=True, slots=True)
class _Page:
    grants: Sequence[GrantSummary]
    total: int
    names: Mapping[str, str]


@command.command("list")
def list_grants(
    user: User = "",
    client_id: ClientId = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Show so many, the newest.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Show the grants that are alive, newest first."""

    async def look(settings: AuthSettings, redis: Redis) -> _Page:
        listed = await _list(settings, redis)
        grants, total = await listed.newest(GrantFilter(user, client_id), limit=limit)
        return _Page(grants, total, await _names(settings, redis, grants))

    page = with_store(look)
    if as_json:
        print_json([_described(grant, page.names) for grant in page.grants])
    else:
        _print_page(page)
    if page.total > limit:
        typer.echo(f"These are the newest {limit} of {page.total}; --limit shows more.", err=True)


@command.command(context_settings=ANY_ID)
def show(
    grant_id: Annotated[str, typer.Argument(help="The grant's id, as `grants list` shows it.")],
    as_json: AsJson = False,
) -> None:
    """Show a grant; for a day also one that was revoked, with the reason."""

    async def look(settings: AuthSettings, redis: Redis) -> Mapping[str, object] | None:
        listed = await _list(settings, redis)
        if (grant := await listed.find(grant_id)) is not None:
            return _described(grant, await _names(settings, redis, [grant]))
        ended = await listed.ended(grant_id)
        return None if ended is None else {**asdict(ended), "status": "revoked"}

    members = with_store(look)
    if members is None:
        end(f"There is no grant {grant_id}, or it is over.", status=1)
    print_members(members if as_json else _readable(members), as_json=as_json)


@command.command(context_settings=ANY_ID)
def revoke(
    grant_id: Annotated[str, typer.Argument(metavar="[ID]", help="The grant's id.")] = "",
    user: User = "",
    client_id: ClientId = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before more than one is revoked.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take back one grant, or all of a user, an app or both. Its tokens are refused within a second."""
    wanted = GrantFilter(user, client_id)
    if bool(grant_id) == bool(user or client_id):
        raise typer.BadParameter("give either the id of a grant, or --user or --client")
    grant_ids = [grant_id] if grant_id else _selected(wanted)
    if len(grant_ids) > 1 and not yes:
        ask(f"Revoke {len(grant_ids)} grants?")

    async def take_back(settings: AuthSettings, redis: Redis) -> list[str]:
        await KeyCheck(redis, settings.sealer).examine()
        async with audited(settings, redis) as audit:
            return await _take_back(settings, redis, audit, grant_ids)

    revoked = with_store(take_back)
    if grant_id and not revoked:
        end(f"There is no grant {grant_id}, or it is over.", status=1)
    if as_json:
        print_json({"revoked": revoked})
        return
    typer.echo(f"Revoked: {len(revoked)}")


async def _take_back(
    settings: AuthSettings, redis: Redis, audit: AuditLog, grant_ids: Sequence[str]
) -> list[str]:
    grants = RedisGrantStore(
        redis, Clock(), GrantLifetimes.of(settings), replicas=settings.redis_wait_replicas, audit=audit
    )
    remembered = RedisConsentStore(redis, seconds=settings.oauth_grant_ttl)
    clock = Clock()
    flows = FlowRecorder(FlowStore(redis), RateLimiter(redis, clock), clock, replica=replica_name())
    revoked = []
    for grant_id in grant_ids:
        if (grant := await grants.find(grant_id)) is not None:
            # First, so that the app does not come back without the person.
            await remembered.forget(grant.subject, grant.client_id)
        if await grants.revoke(grant_id, reason="revoked_by_operator"):
            revoked.append(grant_id)
            flows.note_of_grant(grant_id, Step.REVOKED, Reason.BY_OPERATOR)
            await flows.flush()
    return revoked


def _selected(wanted: GrantFilter) -> list[str]:
    async def look(settings: AuthSettings, redis: Redis) -> list[str]:
        return [grant.grant_id async for grant in (await _list(settings, redis)).matching(wanted)]

    return with_store(look)


async def _list(settings: AuthSettings, redis: Redis) -> GrantList:
    # An emptied store must not pass for one in which nobody has approved anything.
    await KeyCheck(redis, settings.sealer).examine()
    return GrantList(redis, Clock())


async def _names(settings: AuthSettings, redis: Redis, grants: Sequence[GrantSummary]) -> dict[str, str]:
    clients = RedisClientStore(redis, grant_idle_seconds=settings.oauth_refresh_token_ttl)
    found = [await clients.find(client_id) for client_id in {grant.client_id for grant in grants}]
    return {client.client_id: client.name for client in found if client is not None}


def _described(grant: GrantSummary, names: Mapping[str, str]) -> Mapping[str, object]:
    status = "pending" if grant.used_at is None else "active"
    return {**asdict(grant), "client_name": names.get(grant.client_id, ""), "status": status}


def _readable(members: Mapping[str, object]) -> Mapping[str, object]:
    times = {name: value for name, value in members.items() if name.endswith("_at")}
    return {**members, **{name: instant(value) for name, value in times.items() if isinstance(value, int)}}


def _print_page(page: _Page) -> None:
    rows = [
        (
            grant.grant_id,
            grant.username,
            page.names.get(grant.client_id, ""),
            grant.client_id,
            instant(grant.created_at),
            instant(grant.used_at) or "not yet",
            instant(grant.expires_at),
            " ".join(grant.scopes),
        )
        for grant in page.grants
    ]
    print_table(
        ("grant_id", "user", "app", "client_id", "created", "tokens issued", "expires", "scope"), rows
    )
