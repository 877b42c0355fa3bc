"""What `make run` starts with: `.env`, written when there is none, and the ports and URLs that follow."""

import base64
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from dotenv import dotenv_values

from shared.settings import is_loopback

LIVE_URL: Final = "https://api.val.town"
LIVE_OAUTH_ISSUER: Final = "https://www.val.town/oauth"
SANDBOX_TOKENS: Final = ("vtwn_sandbox_ada", "vtwn_sandbox_grace")
DEFAULT_PORTS: Final = {"AUTH_PORT": 9000, "MCP_PORT": 8000, "SANDBOX_PORT": 9100}
_KEY_NAME: Final = "OAUTH_ENCRYPTION_KEY"
_KEY_LINES: Final = """\
# Seals everything secret in the store: Val Town credentials, signing keys. 32 bytes, base64.
# Whoever loses it has to let everybody sign in again.
OAUTH_ENCRYPTION_KEY={key}
"""
_FIRST_LINES: Final = f"""\
# Written by `make run`. It holds a secret: keep it to yourself. Every setting there is: .env.example.

{_KEY_LINES}
# The real Val Town instead of the sandbox (or: make run LIVE=1).
# VAL_TOWN_API_URL={LIVE_URL}

# Where people's browsers and MCP clients reach the two services. `make run` uses these unless told otherwise,
# and they follow AUTH_PORT and MCP_PORT.
# OAUTH_ISSUER_URL=http://127.0.0.1:9000
# MCP_RESOURCE_URL=http://127.0.0.1:8000/mcp

# A Redis or Valkey of your own instead of one started with the services.
# REDIS_URL=redis://127.0.0.1:6379/0

# More in the logs: a comma list such as oauth:*,mcp:guard, or * for everything.
# DEBUG=oauth:*
"""


class RefusedError(Exception):
    """`make run` cannot go on; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is started where. `settings` is what the child processes find in their environment."""

    auth_port: int
    mcp_port: int
    sandbox_port: int
    issuer: str
    resource: str
    val_town: str
    with_sandbox: bool
    settings: Mapping[str, str]
    notes: tuple[str, ...]

    def ports(self) -> Mapping[str, int]:
        """Return the port of each service that will be started, by the setting that changes it."""
        ports = {"AUTH_PORT": self.auth_port, "MCP_PORT": self.mcp_port}
        return ports | {"SANDBOX_PORT": self.sandbox_port} if self.with_sandbox else ports


def ensure_env_file(path: Path, environ: Mapping[str, str]) -> str | None:
    """Write `.env` with a fresh key if there is none, or add the key if only that is missing.

    Returns what was done, in words, or None. The file can be read by its owner only.
    """
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(_FIRST_LINES.format(key=key))
        return f"written to {path}, with a fresh {_KEY_NAME}"
    if effective(environ, path).get(_KEY_NAME) or environ.get("SECRETS_DIR"):
        return None
    text = path.read_text(encoding="utf-8")
    gap = "" if text.endswith("\n") or not text else "\n"
    path.write_text(f"{text}{gap}\n{_KEY_LINES.format(key=key)}", encoding="utf-8")
    path.chmod(0o600)
    return f"a fresh {_KEY_NAME} was added to {path}"


def effective(environ: Mapping[str, str], path: Path) -> dict[str, str]:
    """Return the settings that hold: the environment first, then `.env`; an empty one counts as not set."""
    in_file = dotenv_values(path) if path.is_file() else {}
    return {name: value for name, value in {**in_file, **_set_in(environ)}.items() if value}


def make_plan(environ: Mapping[str, str], path: Path) -> Plan:
    """Return what `make run` starts.

    Raises:
        RefusedError: a port is no port, or the sandbox was to be used with a token of the real Val Town.
    """
    values = effective(environ, path)
    ports = {name: _port(name, values.get(name, str(default))) for name, default in DEFAULT_PORTS.items()}
    sandbox = f"http://127.0.0.1:{ports['SANDBOX_PORT']}"
    val_town = values.get("VAL_TOWN_API_URL", sandbox)
    if val_town == sandbox and _is_live(environ):
        val_town = LIVE_URL
    issuer = values.get("OAUTH_ISSUER_URL", f"http://127.0.0.1:{ports['AUTH_PORT']}")
    resource = values.get("MCP_RESOURCE_URL", f"http://127.0.0.1:{ports['MCP_PORT']}/mcp")
    internal = values.get("AUTH_SERVER_INTERNAL_URL", f"http://127.0.0.1:{ports['AUTH_PORT']}")
    settings = dict(environ) | {name: str(port) for name, port in ports.items()}
    settings |= {
        "OAUTH_ISSUER_URL": issuer,
        "MCP_RESOURCE_URL": resource,
        "AUTH_SERVER_INTERNAL_URL": internal,
        "VAL_TOWN_API_URL": val_town,
        "VAL_TOWN_OAUTH_ISSUER": values.get("VAL_TOWN_OAUTH_ISSUER", _oauth_issuer(val_town, sandbox)),
        "PYTHONUNBUFFERED": "1",
        # No load balancer has to notice that one of them ends.
        "DRAIN_SECONDS": "0",
    }
    notes = [*_note_elsewhere("OAUTH_ISSUER_URL", issuer), *_note_elsewhere("MCP_RESOURCE_URL", resource)]
    if val_town == sandbox:
        notes += _leave_out_live_token(settings, values)
    return Plan(
        ports["AUTH_PORT"],
        ports["MCP_PORT"],
        ports["SANDBOX_PORT"],
        issuer,
        resource,
        val_town,
        val_town == sandbox,
        settings,
        tuple(notes),
    )


def _oauth_issuer(val_town: str, sandbox: str) -> str:
    known = {sandbox: f"{sandbox}/oauth", LIVE_URL: LIVE_OAUTH_ISSUER}
    return known.get(val_town, "")


def _set_in(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if value}


def _is_live(environ: Mapping[str, str]) -> bool:
    return environ.get("LIVE", "").lower() in {"1", "true", "yes"}


def _port(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise RefusedError(f"{name} is {text!r}, which is not a port number between 1 and 65535.")
    return int(text)


def _note_elsewhere(name: str, url: str) -> list[str]:
    if is_loopback(urlsplit(url).hostname):
        return []
    return [f"{name} is {url}: clients will go there, not to the server started here."]


def _leave_out_live_token(settings: dict[str, str], values: Mapping[str, str]) -> list[str]:
    """Keep a real Val Town token away from the sandbox, which would refuse every sign-in with it."""
    name = "VAL_TOWN_API_TOKEN"
    if values.get(name, SANDBOX_TOKENS[0]) in SANDBOX_TOKENS:
        return []
    if settings.pop(name, ""):
        return [f"{name} of your environment is left out: the sandbox does not know it (LIVE=1 uses it)."]
    raise RefusedError(
        f".env sets {name}, which the sandbox does not know. "
        "Use the real Val Town with `make run LIVE=1`, or take that line out of .env."
    )
