"""What endpoints may use: one typed door, opened in `app.create_app`."""

from dataclasses import dataclass
from typing import Annotated

import httpx
from fastapi import Depends, Request

from mcp_server.auth.issuer import IssuerMetadata
from mcp_server.auth.val_town_tokens import ValTownTokens
from mcp_server.endpoints.bearer import Guard
from mcp_server.endpoints.errors import Refusals
from mcp_server.endpoints.rebinding import AddressGuard
from mcp_server.first_calls import FirstCalls
from mcp_server.protocol.dispatcher import Dispatcher
from mcp_server.settings import McpSettings
from mcp_server.usage_recorder import UsageRecorder
from shared.audit.log import AuditLog
from shared.valtown.fair_share import FairShares


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that is built once for a process."""

    settings: McpSettings
    http: httpx.AsyncClient
    val_town_shares: FairShares
    addresses: AddressGuard
    guard: Guard
    refusals: Refusals
    dispatcher: Dispatcher
    usage: UsageRecorder
    first_calls: FirstCalls
    audit: AuditLog
    issuer_metadata: IssuerMetadata
    val_town_tokens: ValTownTokens | None
    """None when OAuth is off: there are no grants then."""


async def _services(request: Request) -> Services:
    # Async, or FastAPI would take it to a worker thread and back for every request.
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services)]
