"""What mcp_server reads from the environment, `.env` and `SECRETS_DIR`."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, ValidationInfo, field_validator

from mcp_server.tools.catalog import TOOLSETS
from shared.settings import BaseUrl, Port, ServiceSettings, is_loopback, optional_url

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


class McpSettings(ServiceSettings):
    """Settings of the MCP resource server."""

    mcp_host: str = "127.0.0.1"
    mcp_port: Port = 8000
    auth_server_internal_url: BaseUrl | None = None
    legacy_token_auth: bool = True
    mcp_allowed_hosts: str = ""
    mcp_allowed_origins: str = ""
    val_town_toolsets: str = ""
    val_town_upstream_mcp_url: Annotated[str, AfterValidator(optional_url)] = ""

    @field_validator("mcp_resource_url")
    @classmethod
    def _has_path(cls, value: str) -> str:
        # Without one, its metadata and this server's own page would be at one address; clients expect /mcp.
        if not urlsplit(value).path:
            raise ValueError("must have a path, normally /mcp")
        return value

    @field_validator("val_town_toolsets")
    @classmethod
    def _names_toolsets(cls, value: str) -> str:
        unknown = [name for name in _names(value) if name not in TOOLSETS]
        if unknown:
            raise ValueError(f"does not know {', '.join(unknown)}; there are: {', '.join(TOOLSETS)}")
        return value

    @field_validator("legacy_token_auth")
    @classmethod
    def _leaves_a_way_in(cls, value: bool, info: ValidationInfo) -> bool:
        if not value and not info.data.get("oauth_enabled", True):
            raise ValueError("=false leaves no way in, because OAUTH_ENABLED is false too")
        return value

    @property
    def resource_path(self) -> str:
        """The path of MCP_RESOURCE_URL."""
        return urlsplit(self.mcp_resource_url).path

    @property
    def resource_origin(self) -> str:
        """Scheme, host and port of MCP_RESOURCE_URL."""
        parts = urlsplit(self.mcp_resource_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def resource_host(self) -> str:
        """The host name or address in MCP_RESOURCE_URL."""
        return urlsplit(self.mcp_resource_url).hostname or ""

    @property
    def toolsets(self) -> tuple[str, ...]:
        """VAL_TOWN_TOOLSETS; empty for all."""
        return _names(self.val_town_toolsets)

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """MCP_ALLOWED_HOSTS; by default the resource's name, and this computer's where it is local."""
        given = _names(self.mcp_allowed_hosts)
        if given:
            return given
        own = urlsplit(self.mcp_resource_url).netloc.rpartition("@")[2]
        name = own[: own.index("]") + 1] if own.startswith("[") else own.partition(":")[0]
        return (name.lower(), *(LOOPBACK_NAMES if self._is_local else ()))

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """MCP_ALLOWED_ORIGINS; by default the resource's own, and any of this computer where it is local."""
        given = _names(self.mcp_allowed_origins)
        if given:
            return given
        local = [f"{scheme}://{name}:*" for scheme in ("http", "https") for name in LOOPBACK_NAMES]
        return (self.resource_origin.lower(), *(local if self._is_local else ()))

    @property
    def _is_local(self) -> bool:
        return is_loopback(self.mcp_host) or is_loopback(urlsplit(self.mcp_resource_url).hostname)


def _names(value: str) -> tuple[str, ...]:
    return tuple(name for part in value.split(",") if (name := part.strip().lower().rstrip("/")))
