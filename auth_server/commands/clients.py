"""`python -m auth_server clients`: apps that the operator registers by hand, and the end of any app."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from redis.asyncio import Redis

from auth_server.commands.output import AsJson, print_json, print_members, print_table
from auth_server.commands.session import end, with_store
from auth_server.domain import registration
from auth_server.domain.redirect_uri import RedirectPolicy
from auth_server.domain.registration import Registered
from auth_server.domain.removal import remove_client
from auth_server.models import Client
from auth_server.settings import AuthSettings
from auth_server.store.base import Management
from auth_server.store.redis.clients import RedisClientStore
from auth_server.store.redis.grants import GrantLifetimes, RedisGrantStore
from shared.clock import Clock
from shared.key_check import KeyCheck
from shared.oauth.errors import OAuthError

command = typer.Typer(help="Apps that you register by hand: create, list, show; delete any app.")

ClientId = Annotated[str, typer.Argument(help="The app's client_id.")]


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
        return made if await (await _clients(settings, redis)).pre_register(made.client) else None

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
        grants = RedisGrantStore(redis, Clock(), GrantLifetimes.of(settings))
        return await remove_client(clients, grants, client_id, by_operator=True)

    if with_store(remove) is Management.GONE:
        end(f"There is no app {client_id}.", status=1)
    print_members({"deleted": client_id}, as_json=as_json)


async def _clients(settings: AuthSettings, redis: Redis) -> RedisClientStore:
    # A store that no service uses, or that was emptied, keeps nothing that is put there.
    await KeyCheck(redis, settings.sealer).verify()
    return RedisClientStore(redis, grant_idle_seconds=settings.oauth_refresh_token_ttl)


def _described(client: Client) -> Mapping[str, object]:
    registered_by = "operator" if client.by_operator else "client"
    return {"client_id": client.client_id, **client.metadata, "registered_by": registered_by}
