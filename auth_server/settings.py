"""The authorization server's settings: names, defaults and checks of the environment."""

from typing import Annotated, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator

from auth_server.pem import PrivateKey, load_private_key
from shared.oauth.access_token import MAX_LIFETIME
from shared.settings import Port, Seconds, ServiceSettings, base_url, optional_url

_NEVER_REDIRECT_SCHEMES = frozenset(
    {"about", "blob", "data", "file", "filesystem", "http", "https", "javascript", "vbscript", "ws", "wss"}
)


class AuthSettings(ServiceSettings):
    """Everything the authorization server reads at start."""

    auth_host: str = "127.0.0.1"
    auth_port: Port = 9000
    oauth_jwt_private_key: SecretStr | None = None
    oauth_jwt_public_key: SecretStr | None = None
    oauth_signing_algorithm: Literal["RS256", "ES256", "EdDSA"] = "RS256"
    oauth_key_rotation_seconds: Annotated[int, Field(ge=0)] = 7_776_000
    oauth_access_token_ttl: Annotated[Seconds, Field(le=MAX_LIFETIME)] = 3600
    oauth_refresh_token_ttl: Seconds = 2_592_000
    oauth_grant_ttl: Seconds = 31_536_000
    oauth_refresh_grace_seconds: Annotated[int, Field(ge=0, le=120)] = 60
    oauth_redirect_schemes: str = "cursor,vscode,vscode-insiders,windsurf"
    oauth_registration_burst: Annotated[int, Field(ge=10)] = 600
    oauth_registrations_per_hour: Annotated[int, Field(ge=1, le=3_600_000)] = 900
    oauth_allowed_users: str = ""
    oauth_client_documents: Literal["fetch", "pinned", "off"] = "fetch"
    oauth_client_document_hosts: str = ""
    oauth_client_documents_dir: str = ""
    oauth_resources: str = ""
    val_town_oauth_issuer: Annotated[str, AfterValidator(optional_url)] = ""

    @field_validator("oauth_jwt_private_key")
    @classmethod
    def _private_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _load_private(value)
        return value

    @field_validator("oauth_jwt_public_key")
    @classmethod
    def _public_key(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None:
            return None
        public = _load_public(value)
        # Without a readable private key its own problem is told already.
        private = info.data.get("oauth_jwt_private_key")
        if "oauth_jwt_private_key" in info.data and private is None:
            raise ValueError("is set, but OAUTH_JWT_PRIVATE_KEY is not; set both or neither")
        if private is not None and _load_private(private).public_key() != public:
            raise ValueError("does not belong to OAUTH_JWT_PRIVATE_KEY: the key pair does not match")
        return value

    @field_validator("oauth_resources")
    @classmethod
    def _resource_urls(cls, value: str) -> str:
        for url in _items(value):
            base_url(url)
        return value

    @field_validator("oauth_client_document_hosts")
    @classmethod
    def _document_hosts(cls, value: str) -> str:
        for host in _items(value):
            if "/" in host or host != host.lower():
                raise ValueError(f"must not contain {host}: only lower-case host names are allowed")
        return value

    @field_validator("oauth_redirect_schemes")
    @classmethod
    def _schemes(cls, value: str) -> str:
        for scheme in _items(value):
            if scheme in _NEVER_REDIRECT_SCHEMES or scheme != scheme.lower():
                raise ValueError(
                    f"must not contain {scheme}: only lower-case private-use schemes are allowed"
                )
        return value

    @property
    def private_key_pem(self) -> str | None:
        """The PEM of the guide's signing key, with real line ends."""
        return None if self.oauth_jwt_private_key is None else _pem(self.oauth_jwt_private_key)

    @property
    def resources(self) -> tuple[str, ...]:
        """Every resource server that tokens may be for; the first is the default."""
        return (self.mcp_resource_url, *_items(self.oauth_resources))

    @property
    def redirect_schemes(self) -> frozenset[str]:
        """Private-use schemes without a dot that clients may redirect to."""
        return frozenset(_items(self.oauth_redirect_schemes))

    @property
    def client_document_hosts(self) -> frozenset[str]:
        """Hosts whose documents of clients are taken; empty: everybody's."""
        return frozenset(_items(self.oauth_client_document_hosts))

    @property
    def allowed_users(self) -> frozenset[str]:
        """Val Town user names that may sign in, lower-case; empty: everybody."""
        return frozenset(name.lower() for name in _items(self.oauth_allowed_users))


def _items(value: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in value.split(",") if item.strip())


def _pem(value: SecretStr) -> str:
    # Environment variables often hold one line, with \n spelled out.
    return value.get_secret_value().replace("\\n", "\n").strip() + "\n"


def _load_private(value: SecretStr) -> PrivateKey:
    return load_private_key(_pem(value).encode())


def _load_public(value: SecretStr) -> PublicKeyTypes:
    try:
        return serialization.load_pem_public_key(_pem(value).encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("is not a PEM public key") from None
