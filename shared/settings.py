"""What both services read from the environment, `.env` and `SECRETS_DIR`, and how wrong values are told."""

import base64
import binascii
import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.redis.address import parse_address
from shared.sealing import KEY_BYTES, Sealer

KNOWN_NAMES: Final = frozenset(
    {
        "AUDIT_LOG_DIR",
        "AUTH_HOST",
        "AUTH_PORT",
        "AUTH_SERVER_INTERNAL_URL",
        "DEBUG",
        "DRAIN_SECONDS",
        "INSECURE_ALLOW_HTTP",
        "LEGACY_TOKEN_AUTH",
        "MCP_ALLOWED_HOSTS",
        "MCP_ALLOWED_ORIGINS",
        "MCP_HOST",
        "MCP_PORT",
        "MCP_RESOURCE_URL",
        "OAUTH_ACCESS_TOKEN_TTL",
        "OAUTH_ALLOWED_USERS",
        "OAUTH_CLIENT_DOCUMENTS",
        "OAUTH_CLIENT_DOCUMENTS_DIR",
        "OAUTH_CLIENT_DOCUMENT_HOSTS",
        "OAUTH_DECRYPTION_KEYS",
        "OAUTH_ENABLED",
        "OAUTH_ENCRYPTION_KEY",
        "OAUTH_GRANT_TTL",
        "OAUTH_ISSUER_URL",
        "OAUTH_JWT_PRIVATE_KEY",
        "OAUTH_JWT_PUBLIC_KEY",
        "OAUTH_KEY_ROTATION_SECONDS",
        "OAUTH_REDIRECT_SCHEMES",
        "OAUTH_REFRESH_GRACE_SECONDS",
        "OAUTH_REFRESH_TOKEN_TTL",
        "OAUTH_REGISTRATIONS_PER_HOUR",
        "OAUTH_REGISTRATION_BURST",
        "OAUTH_RESOURCES",
        "OAUTH_SIGNING_ALGORITHM",
        "REDIS_URL",
        "REDIS_WAIT_REPLICAS",
        "SECRETS_DIR",
        "VAL_TOWN_API_TOKEN",
        "VAL_TOWN_API_URL",
        "VAL_TOWN_OAUTH_ISSUER",
        "VAL_TOWN_TOOLSETS",
        "VAL_TOWN_UPSTREAM_MCP_URL",
    }
)
"""Every setting of either service: they may share one `.env`."""

MAX_DECRYPTION_KEYS: Final = 8

_OUR_PREFIXES: Final = ("OAUTH_", "MCP_", "AUTH_", "AUDIT_")


class SettingsError(Exception):
    """The settings do not allow a start; `problems` holds one sentence each."""

    def __init__(self, problems: Iterable[str]) -> None:
        """Take all problems found."""
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def is_loopback(host: str | None) -> bool:
    """Return whether a host name or address is this computer, by its spelling alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def base_url(value: str) -> str:
    """Return an absolute http(s) URL unchanged, byte for byte.

    Raises:
        ValueError: it is no such URL, or ends in a slash, or carries user, query or fragment.
    """
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or value != value.strip():
        raise ValueError("must be an absolute http or https URL")
    if parts.query or parts.fragment or "@" in parts.netloc or "?" in value or "#" in value:
        raise ValueError("must not carry a user, a query or a fragment")
    if value.endswith("/"):
        raise ValueError("must not end in a slash, because it is compared byte for byte")
    return value


def optional_url(value: str) -> str:
    """Return a URL that secrets are sent to, unchanged; or the empty string, for none.

    Raises:
        ValueError: it is no `base_url`, or plain http to another computer.
    """
    if not value:
        return value
    parts = urlsplit(base_url(value))
    if parts.scheme != "https" and not is_loopback(parts.hostname):
        raise ValueError("must use https (http is for this computer only)")
    return value


def _writable_folder(value: str) -> str:
    """Return a folder that is there or can be made, and written to; or the empty string, for none."""
    if not value:
        return value
    path = Path(value).absolute()
    nearest = next(each for each in (path, *path.parents) if each.exists())
    if not nearest.is_dir():
        raise ValueError(f"cannot be a folder, because {nearest} is none")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ValueError(f"cannot be written to: {nearest} belongs to somebody else")
    return value


def _encryption_key(value: SecretStr) -> SecretStr:
    if _key_bytes(value.get_secret_value()) is None:
        raise ValueError("must be the base64 of 32 bytes; make one with: openssl rand -base64 32")
    return value


def _decryption_keys(value: SecretStr) -> SecretStr:
    keys = [_key_bytes(item) for item in _items(value)]
    if None in keys:
        raise ValueError("must be the base64 of 32 bytes each, with commas between")
    if len(set(keys)) != len(keys):
        raise ValueError("must not hold a key twice")
    if len(keys) > MAX_DECRYPTION_KEYS:
        raise ValueError(f"must not hold more than {MAX_DECRYPTION_KEYS} keys")
    return value


def _items(value: SecretStr) -> tuple[str, ...]:
    return tuple(item.strip() for item in value.get_secret_value().split(",") if item.strip())


def _key_bytes(text: str) -> bytes | None:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None


BaseUrl = Annotated[str, AfterValidator(base_url)]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[int, Field(ge=1)]


class ServiceSettings(BaseSettings):
    """Settings of both services. A subclass adds its own; build it with `load`."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,
        validate_default=True,
    )

    insecure_allow_http: bool = False
    oauth_enabled: bool = True
    oauth_issuer_url: BaseUrl = "http://127.0.0.1:9000"
    mcp_resource_url: BaseUrl = "http://127.0.0.1:8000/mcp"
    oauth_encryption_key: Annotated[SecretStr, AfterValidator(_encryption_key)] | None = None
    oauth_decryption_keys: Annotated[SecretStr, AfterValidator(_decryption_keys)] = SecretStr("")
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    redis_wait_replicas: Annotated[int, Field(ge=0, le=5)] = 0
    val_town_api_url: BaseUrl = "https://api.val.town"
    val_town_api_token: SecretStr | None = None
    audit_log_dir: Annotated[str, AfterValidator(_writable_folder)] = ""
    debug: str = ""
    drain_seconds: Annotated[int, Field(ge=0, le=300)] = 3
    secrets_dir: str = ""

    @field_validator("oauth_issuer_url", "mcp_resource_url")
    @classmethod
    def _https_or_loopback(cls, value: str, info: ValidationInfo) -> str:
        parts = urlsplit(value)
        allowed = parts.scheme == "https" or is_loopback(parts.hostname)
        if not allowed and not info.data.get("insecure_allow_http"):
            raise ValueError(
                "must use https (http is for this computer only; INSECURE_ALLOW_HTTP=true allows it anyway)"
            )
        return value

    @field_validator("oauth_encryption_key")
    @classmethod
    def _needed_for_oauth(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None and info.data.get("oauth_enabled", True):
            raise ValueError("is not set; make one with: openssl rand -base64 32")
        return value

    @field_validator("oauth_decryption_keys")
    @classmethod
    def _without_the_one_that_seals(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        sealing: SecretStr | None = info.data.get("oauth_encryption_key")
        keys = [_key_bytes(item) for item in _items(value)]
        if sealing is not None and _key_bytes(sealing.get_secret_value()) in keys:
            raise ValueError("must not hold OAUTH_ENCRYPTION_KEY itself: that one opens anyway")
        return value

    @field_validator("audit_log_dir")
    @classmethod
    def _has_a_key(cls, value: str, info: ValidationInfo) -> str:
        # Without a readable key its own problem is told already.
        if value and "oauth_encryption_key" in info.data and info.data["oauth_encryption_key"] is None:
            raise ValueError("is set, but OAUTH_ENCRYPTION_KEY is not, which the audit log is chained with")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis_scheme(cls, value: SecretStr) -> SecretStr:
        parse_address(value.get_secret_value())
        return value

    @property
    def encryption_key(self) -> bytes:
        """The 32 bytes of OAUTH_ENCRYPTION_KEY.

        Raises:
            SettingsError: it is not set (OAUTH_ENABLED=false allows that).
        """
        if self.oauth_encryption_key is None:
            raise SettingsError(["OAUTH_ENCRYPTION_KEY is not set."])
        return base64.b64decode(self.oauth_encryption_key.get_secret_value())

    @property
    def sealer(self) -> Sealer:
        """What seals with OAUTH_ENCRYPTION_KEY, and opens with it and with each of OAUTH_DECRYPTION_KEYS.

        Raises:
            SettingsError: as `encryption_key`.
        """
        others = [base64.b64decode(item) for item in _items(self.oauth_decryption_keys)]
        return Sealer(self.encryption_key, *others)

    def warnings(self) -> tuple[str, ...]:
        """Return what an operator should hear at every start, one sentence each."""
        if not self.insecure_allow_http:
            return ()
        return ("INSECURE_ALLOW_HTTP=true: tokens may travel unencrypted. Never use this in production.",)

    @classmethod
    def load(cls, *, env_file: Path | None = Path(".env"), environ: Mapping[str, str] | None = None) -> Self:
        """Return the settings from the process environment, then `env_file`, then the files in SECRETS_DIR.

        Raises:
            SettingsError: with every wrong or unknown value at once.
        """
        environ = os.environ if environ is None else environ
        in_file = dict(dotenv_values(env_file)) if env_file and env_file.is_file() else {}
        secrets_dir = environ.get("SECRETS_DIR") or in_file.get("SECRETS_DIR") or ""
        in_secrets, problems = read_secrets(secrets_dir)
        problems += _unknown(in_file, str(env_file)) + _unknown(in_secrets, "SECRETS_DIR")
        merged: dict[str, Any] = {}
        for source in (in_secrets, in_file, environ):
            merged |= {name.lower(): value for name, value in source.items() if value}
        wanted = {name: merged[name] for name in cls.model_fields if name in merged}
        try:
            settings = cls.model_validate(wanted)
        except ValidationError as error:
            problems += [_sentence(detail) for detail in error.errors()]
        if problems:
            raise SettingsError(problems)
        return settings

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: Any, init_settings: Any, *_others: Any, **_named_others: Any
    ) -> tuple[Any, ...]:
        """Leave reading to `load`, which merges the sources so that it can tell where a wrong name stands."""
        return (init_settings,)


def unknown_in_environment(environ: Mapping[str, str] | None = None) -> list[str]:
    """Return one warning for each name in the process environment that looks like ours and is not.

    Only a warning: other programs use MCP_* names too.
    """
    return _unknown(os.environ if environ is None else environ, "the environment")


def read_secrets(folder: str) -> tuple[dict[str, str], list[str]]:
    """Return the files of SECRETS_DIR by name, and a sentence for each that cannot be read."""
    if not folder:
        return {}, []
    path = Path(folder)
    if not path.is_dir():
        return {}, [f"SECRETS_DIR: there is no folder {folder}."]
    values = {}
    problems = []
    for file in sorted(path.iterdir()):
        if file.name.startswith(".") or not file.is_file():
            continue
        try:
            values[file.name] = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            problems.append(f"SECRETS_DIR: the file {file.name} cannot be read.")
    return values, problems


def _unknown(names: Iterable[str], where: str) -> list[str]:
    problems = []
    for name in sorted(names):
        if name.upper() in KNOWN_NAMES or not name.upper().startswith(_OUR_PREFIXES):
            continue
        near = get_close_matches(name.upper(), KNOWN_NAMES, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        problems.append(f"{name} in {where} is not a setting.{hint}")
    return problems


def _sentence(detail: Any) -> str:
    name = str(detail["loc"][0]).upper() if detail["loc"] else "The settings"
    message = str(detail["msg"]).removeprefix("Value error, ").rstrip(".")
    if detail["type"] != "value_error":
        message = f"is wrong: {message[:1].lower()}{message[1:]}"
    return f"{name} {message}."
