"""`python -m auth_server encryption`: which key seals what, and sealing it again after a change of key."""

from collections.abc import Sequence
from dataclasses import asdict

import typer
from redis.asyncio import Redis

from auth_server.commands.output import AsJson, print_json, print_table
from auth_server.commands.session import audited, with_store
from auth_server.settings import AuthSettings
from auth_server.store.redis.sealed_values import KeyUse, Resealing, SealedValues
from shared.audit.events import Event, Outcome
from shared.flows.steps import Reason

command = typer.Typer(help="The encryption keys: what is sealed with which, and sealing it again.")


@command.command()
def status(as_json: AsJson = False) -> None:
    """Show each key's id, whether it seals or only opens here, and what is sealed with it."""

    async def look(settings: AuthSettings, redis: Redis) -> Sequence[KeyUse]:
        return await SealedValues(redis, settings.sealer).status()

    uses = with_store(look)
    if as_json:
        print_json([asdict(use) for use in uses])
        return
    rows = [
        (
            use.key_id,
            "seals" if use.seals else "opens" if use.opens else "missing",
            "yes" if use.in_use else "no",
            *map(str, (use.credentials, use.signing_keys, use.sessions)),
        )
        for use in uses
    ]
    print_table(("key id", "here", "in use", "credentials", "signing keys", "sessions"), rows)


@command.command()
def reseal(as_json: AsJson = False) -> None:
    """Seal credentials and signing keys with the key that seals. Safe to repeat, also under load."""

    async def seal_again(settings: AuthSettings, redis: Redis) -> tuple[Resealing, int]:
        done = await SealedValues(redis, settings.sealer).reseal()
        async with audited(settings, redis) as audit:
            audit.note(Event.SECRETS_RESEALED, Outcome.ALLOWED, Reason.BY_OPERATOR)
        return done, settings.oauth_refresh_token_ttl

    done, refresh_token_ttl = with_store(seal_again)
    if as_json:
        print_json({**asdict(done), "unopened": done.unopened.total()})
        return
    typer.echo(f"Sealed again: {done.resealed}")
    if done.unopened:
        typer.echo(f"Left, because they do not open: {done.unopened.total()}")
    if done.waiting:
        typer.echo(
            f"Still in use: {', '.join(done.waiting)}. Sessions are over within an hour; repeat this then."
        )
    if done.struck:
        typer.echo(f"No longer in use: {', '.join(done.struck)}")
        typer.echo(
            "Keep it in OAUTH_DECRYPTION_KEYS until the refresh tokens from before the change are over: "
            f"{refresh_token_ttl} seconds after the last replica changed."
        )
