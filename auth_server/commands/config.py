"""`python -m auth_server config`: whether the service could start with these settings, and work."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import typer
from pydantic import SecretStr

from auth_server.commands.output import AsJson, print_json, print_table
from auth_server.settings import AuthSettings
from shared import logs
from shared.redis.address import without_secrets
from shared.settings import SettingsError, unknown_in_environment

command = typer.Typer(help="The settings: check them, and what they name.")


@dataclass(frozen=True, slots=True)
class _Setting:
    name: str
    value: str
    source: str

    def members(self) -> dict[str, str]:
        """Return it as JSON has it."""
        return {"name": self.name, "value": self.value, "from": self.source}


@command.callback()
def _group() -> None:
    # With a callback typer keeps `check` a command of its own.
    pass


@command.command()
def check(as_json: AsJson = False) -> None:
    """Read the settings as the service does; show them, secrets hidden, and try what they name.

    The store must answer and its secrets open with the encryption key; Val Town must answer, and accept
    VAL_TOWN_API_TOKEN if that is set. Nothing is written. The status is 1 when something is wrong.
    """
    try:
        settings = AuthSettings.load()
    except SettingsError as error:
        _print_problems(error.problems, as_json=as_json)
        raise SystemExit(1) from None
    logs.configure("auth_server", settings.debug, stream=sys.stderr)
    # Only now: an HTTP client takes a while to load.
    from auth_server.commands.config_checks import Result, run_checks

    checks = asyncio.run(run_checks(settings))
    warnings = [*settings.warnings(), *unknown_in_environment()]
    ok = all(each.result is not Result.FAILED for each in checks)
    if as_json:
        answer = {
            "ok": ok,
            "problems": [],
            "warnings": warnings,
            "checks": [asdict(each) for each in checks],
            "settings": [each.members() for each in _effective(settings)],
        }
        print_json(answer)
    else:
        rows = [(each.name, each.value, each.source) for each in _effective(settings)]
        print_table(("setting", "value", "from"), rows)
        typer.echo()
        rows = [(each.name, each.result, each.detail) for each in checks]
        rows += [("settings", Result.WARNING, warning) for warning in warnings]
        print_table(("check", "result", ""), rows)
    raise SystemExit(0 if ok else 1)


def _print_problems(problems: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print_json({"ok": False, "problems": problems, "warnings": [], "checks": [], "settings": []})
        return
    for problem in problems:
        typer.echo(problem)


def _effective(settings: AuthSettings) -> list[_Setting]:
    return [
        _Setting(
            name=name.upper(),
            value=_shown(settings, name),
            source="settings" if name in settings.model_fields_set else "default",
        )
        for name in sorted(AuthSettings.model_fields)
    ]


def _shown(settings: AuthSettings, name: str) -> str:
    value = getattr(settings, name)
    if name == "redis_url":
        return without_secrets(settings.redis_url.get_secret_value())
    if isinstance(value, SecretStr):
        return "(hidden)" if value.get_secret_value() else ""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
