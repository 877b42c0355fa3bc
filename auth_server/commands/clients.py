"""`python -m auth_server clients`: apps that the operator registers by hand, and the end of any app."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated

import typer
from redis.asyncio import Redis

from auth_server.commands.output import AsJson, instant, print_json, print_members, print_table
from auth_server.commands.session import ask, audited, end, with_store
from auth_server.domain import registration
from auth_server.domain.redirect_uri import RedirectPolicy
from auth_server.domain.registration import Registered
from auth_server.domain.removal import remove_client
from auth_server.models import Client
from auth_server.settings import AuthSettings
from auth_server.store.base import Management
from auth_server.store.redis.clients import RedisClientStore
from auth_server.store.redis.grant_list import GrantList
from auth_server.store.redis.grants import GrantLifetimes, RedisGrantStore
from auth_server.store.redis.unused_clients import UnusedClient, UnusedClients
from shared.audit.events import Event, Outcome
from shared.audit.log import AuditLog
from shared.clock import Clock
from shared.flows.steps import Reason
from shared.key_check import KeyCheck
from shared.oauth.errors import OAuthError

command = typer.Typer(
    help="Apps that you register by hand: create, list, show; delete any app; prune the unused."
)

ClientId = Annotated[str, typer.Argument(help="The app's client_id.")]

_DAY = 86_400


@command.command()
def create(
    name: Annotated[str, typer.Option(help="The app's name, as people see it.")],
    redirect_uri: Annotated[list[str], typer.Option(help="Where codes are sent; may be repeated.")],
    public: Annotated[bool, typer.Option("--public", help="Without a secret, as for a program.")] = False,
    client_id: Annotated[str, typer.Option(help="The client_id; made at random otherwise.")] = "",
    as_json: AsJson = False,
) -> None:
    """Register an app. It never expires. The secret is shown this once."""

    async def add(settings: AuthSettings, redis: Redis) -> Registered | None:
        made = registration.pre_register(
            name,
            redirect_uri,
            public=public,
            policy=RedirectPolicy(settings.redirect_schemes, settings.insecure_allow_http),
            client_id=client_id,
            now=Clock().now(),
        )
        if not await (await _clients(settings, redis)).pre_register(made.client):
            return None
        async with audited(settings, redis) as audit:
            _note(audit, Event.CLIENT_REGISTERED, made.client.client_id)
        return made

    try:
        made = with_store(add)
    except OAuthError as error:
        end(error.description, status=1)
    if made is None:
        end(f"There is an app {client_id} already.", status=1)
    print_members(made.response(), as_json=as_json)


@command.command("list")
def list_clients(as_json: AsJson = False) -> None:
    """Show the apps that were registered by hand. Those that register themselves come and go."""

    async def look(settings: AuthSettings, redis: Redis) -> Sequence[Client]:
        return [client async for client in (await _clients(settings, redis)).pre_registered()]

    clients = sorted(with_store(look), key=lambda client: (client.name, client.client_id))
    if as_json:
        print_json([_described(client) for client in clients])
        return
    rows = [(client.client_id, client.name, " ".join(client.redirect_uris)) for client in clients]
    print_table(("client_id", "name", "redirect_uris"), rows)


@command.command()
def show(client_id: ClientId, as_json: AsJson = False) -> None:
    """Show an app, however it was registered."""

    async def look(settings: AuthSettings, redis: Redis) -> Client | None:
        return await (await _clients(settings, redis)).find(client_id)

    client = with_store(look)
    if client is None:
        end(f"There is no app {client_id}.", status=1)
    print_members(_described(client), as_json=as_json)


@command.command()
def delete(client_id: ClientId, as_json: AsJson = False) -> None:
    """Remove an app, however it was registered: its tokens are refused within a second."""

    async def remove(settings: AuthSettings, redis: Redis) -> Management:
        clients = await _clients(settings, redis)
        async with audited(settings, redis) as audit:
            grants = RedisGrantStore(
                redis,
                Clock(),
                GrantLifetimes.of(settings),
                replicas=settings.redis_wait_replicas,
                audit=audit,
            )
            outcome = await remove_client(clients, grants, client_id, by_operator=True)
            if outcome is Management.OK:
                _note(audit, Event.CLIENT_CLOSED, client_id)
            return outcome

    if with_store(remove) is Management.GONE:
        end(f"There is no app {client_id}.", status=1)
    print_members({"deleted": client_id}, as_json=as_json)


@command.command()
def prune(
    older_than_days: Annotated[int, typer.Option(min=1, metavar="N", help="Unused for so long.")] = 30,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show them.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove apps that registered themselves and are not used.

    Those that have no live grant, and neither registered nor got a token for N days. They are shown, and
    removed after a question; --yes does not ask, --dry-run removes nothing. An app that comes back registers
    again. By themselves they go a week after they registered unused, or three months after their last grant.
    """
    found = {unused.client.client_id: unused for unused in with_store(partial(_unused, older_than_days))}
    if not as_json:
        rows = [_pruned(unused) for unused in found.values()]
        print_table(("client_id", "name", "registered", "last used"), rows)
    if found and not dry_run and not yes:
        ask(f"Remove {len(found)} apps?")

    async def remove(settings: AuthSettings, redis: Redis) -> list[str]:
        async with audited(settings, redis) as audit:
            # Again: the operator may have taken long to answer.
            return [
                unused.client.client_id
                for unused in await _unused(older_than_days, settings, redis)
                if unused == found.get(unused.client.client_id)
                and await _remove_unused(settings, redis, audit, unused)
            ]

    removed = [] if dry_run or not found else with_store(remove)
    if as_json:
        print_json({"unused": list(found), "removed": removed})
        return
    typer.echo(f"Removed: {len(removed)} of {len(found)}")


async def _unused(days: int, settings: AuthSettings, redis: Redis) -> list[UnusedClient]:
    await KeyCheck(redis, settings.sealer).examine()
    clock = Clock()
    store = UnusedClients(redis, grant_idle_seconds=settings.oauth_refresh_token_ttl)
    found = [each async for each in store.since(clock.now() - days * _DAY)]
    # Second: a grant from between the two has put off its client's expiry.
    in_use = await GrantList(redis, clock).clients_in_use()
    return sorted(
        (each for each in found if each.client.client_id not in in_use), key=lambda each: each.registered_at
    )


async def _remove_unused(settings: AuthSettings, redis: Redis, audit: AuditLog, unused: UnusedClient) -> bool:
    store = UnusedClients(redis, grant_idle_seconds=settings.oauth_refresh_token_ttl)
    if not await store.close(unused):
        return False
    clients = RedisClientStore(redis, grant_idle_seconds=settings.oauth_refresh_token_ttl)
    grants = RedisGrantStore(
        redis, Clock(), GrantLifetimes.of(settings), replicas=settings.redis_wait_replicas, audit=audit
    )
    # A grant that slipped in ends with its app.
    await grants.revoke_client(unused.client.client_id)
    await clients.remove(unused.client.client_id)
    _note(audit, Event.CLIENT_CLOSED, unused.client.client_id)
    return True


def _note(audit: AuditLog, event: Event, client_id: str) -> None:
    audit.note(event, Outcome.ALLOWED, Reason.BY_OPERATOR, client_id=client_id)


def _pruned(unused: UnusedClient) -> tuple[str, str, str, str]:
    client = unused.client
    registered, used = instant(unused.registered_at), instant(unused.last_used_at) or "never"
    return client.client_id, client.name, registered, used


async def _clients(settings: AuthSettings, redis: Redis) -> RedisClientStore:
    # A store that no service uses, or that was emptied, keeps nothing that is put there.
    await KeyCheck(redis, settings.sealer).verify()
    return RedisClientStore(redis, grant_idle_seconds=settings.oauth_refresh_token_ttl)


def _described(client: Client) -> Mapping[str, object]:
    registered_by = "operator" if client.by_operator else "client"
    return {"client_id": client.client_id, **client.metadata, "registered_by": registered_by}
