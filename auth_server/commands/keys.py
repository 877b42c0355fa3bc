"""`python -m auth_server keys`: the signing keys, their rotation, and taking one out in an emergency."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from redis.asyncio import Redis

from auth_server.commands.output import ANY_ID, AsJson, instant, print_json, print_table
from auth_server.commands.session import audited, end, with_store
from auth_server.domain.signing_keys import KeyRecord, KeyState, generate_key
from auth_server.settings import AuthSettings
from auth_server.store.keyring import RingFullError, RotationBegun
from auth_server.store.redis.keyring import RedisKeyringStore
from shared.audit.events import Event, Outcome
from shared.clock import Clock
from shared.flows.steps import Reason
from shared.key_check import KeyCheck

command = typer.Typer(help="The signing keys: list, rotate, revoke.")


@command.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """Show every key: next ones are published in advance, retiring ones for the tokens they signed."""

    async def look(settings: AuthSettings, redis: Redis) -> Sequence[KeyRecord]:
        return await (await _ring(settings, redis)).records()

    records = with_store(look)
    if as_json:
        print_json([asdict(record) for record in records])
        return
    rows = [
        (
            record.kid,
            record.algorithm,
            record.state,
            instant(record.published_at),
            _signs(record),
            instant(record.gone_at),
        )
        for record in records
    ]
    print_table(("kid", "alg", "state", "published", "signs", "goes"), rows)


@command.command()
def rotate(as_json: AsJson = False) -> None:
    """Let the key that stands by sign, as soon as everybody can know it, and make a new one stand by."""

    async def begin(settings: AuthSettings, redis: Redis) -> RotationBegun | None:
        ring = await _ring(settings, redis)
        active = next((each for each in await ring.records() if each.state is KeyState.ACTIVE), None)
        imported = active is not None and settings.private_key_pem is not None
        algorithm = active.algorithm if active and imported else settings.oauth_signing_algorithm
        begun = await ring.rotate(generate_key(algorithm))
        if begun is not None:
            await _note(settings, redis, Event.KEY_ROTATED, begun.kid)
        return begun

    try:
        begun = with_store(begin)
    except RingFullError:
        end("Too many keys are published. Wait until some of the retiring ones are gone.", status=1)
    if begun is None:
        end("There is no active key yet. Start auth_server once; the first replica makes one.", status=1)
    if as_json:
        print_json(asdict(begun))
        return
    typer.echo(f"{begun.kid} signs from {instant(begun.due_at)} on.")


@command.command(context_settings=ANY_ID)
def revoke(
    kid: Annotated[str, typer.Argument(help="The key's name, as `keys list` shows it.")],
    as_json: AsJson = False,
) -> None:
    """Take a key out at once: every token it signed is refused within a second, and clients refresh."""

    async def take_out(settings: AuthSettings, redis: Redis) -> str | None:
        substitute = generate_key(settings.oauth_signing_algorithm)
        signs_now = await (await _ring(settings, redis)).revoke(kid, substitute=substitute)
        if signs_now is not None:
            await _note(settings, redis, Event.KEY_REVOKED, kid)
        return signs_now

    signs_now = with_store(take_out)
    if signs_now is None:
        end(f"There is no key {kid}, or it is gone already.", status=1)
    if as_json:
        print_json({"revoked": kid, "active": signs_now})
        return
    typer.echo(f"Revoked: {kid}. {signs_now} signs now.")


async def _note(settings: AuthSettings, redis: Redis, event: Event, kid: str) -> None:
    async with audited(settings, redis) as audit:
        audit.note(event, Outcome.ALLOWED, Reason.BY_OPERATOR, name=kid)


async def _ring(settings: AuthSettings, redis: Redis) -> RedisKeyringStore:
    # First: nothing may be sealed with a key that other processes could not know of.
    await KeyCheck(redis, settings.sealer).verify()
    return RedisKeyringStore(
        redis,
        settings.sealer,
        Clock(),
        token_seconds=settings.oauth_access_token_ttl,
        replicas=settings.redis_wait_replicas,
    )


def _signs(record: KeyRecord) -> str:
    if record.due_at is not None:
        return f"from {instant(record.due_at)}"
    if record.activated_at is not None:
        return f"since {instant(record.activated_at)}" if record.state is KeyState.ACTIVE else "signed"
    return "stands by" if record.state is KeyState.NEXT else "never"
