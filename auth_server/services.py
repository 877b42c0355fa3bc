"""Everything an endpoint may use, in one typed object."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from auth_server.domain.admission import Admission
from auth_server.domain.approval import Approval
from auth_server.domain.redirect_uri import RedirectPolicy
from auth_server.domain.registration_token import RegistrationTokens
from auth_server.domain.remembered_consent import RememberedConsents
from auth_server.domain.resource import Resources
from auth_server.domain.signing_keys import Keyring
from auth_server.domain.token_issuer import TokenIssuer
from auth_server.grants.base import TokenGrant
from auth_server.key_keeper import KeyKeeper
from auth_server.outbound.client_documents import ClientDocuments
from auth_server.outbound.client_key_sets import ClientKeySets
from auth_server.person_vals import PersonVals
from auth_server.settings import AuthSettings
from auth_server.sign_in.base import SignIn
from auth_server.sign_in.val_town import ValTownSignIn
from auth_server.store.base import (
    AssertionStore,
    ClientStore,
    GrantStore,
    PendingAuthorizationStore,
    SessionStore,
    TokenRequestStore,
)
from shared.audit.log import AuditLog
from shared.clock import Clock
from shared.flows.recorder import FlowRecorder
from shared.rate_limit import Limit, RateLimiter
from shared.sealing import Sealer
from shared.usage import UsageStore


@dataclass(frozen=True, slots=True)
class Services:
    """Built once, in `app.create_app`."""

    settings: AuthSettings
    clock: Clock
    sealer: Sealer
    keyring: Keyring
    clients: ClientStore
    client_documents: ClientDocuments
    client_key_sets: ClientKeySets
    assertions: AssertionStore
    pending: PendingAuthorizationStore
    sessions: SessionStore
    grants: GrantStore
    token_requests: TokenRequestStore
    usage: UsageStore
    token_grants: Mapping[str, TokenGrant]
    issuer: TokenIssuer
    resources: Resources
    redirect_policy: RedirectPolicy
    registration_tokens: RegistrationTokens
    registration_limit: Limit
    limiter: RateLimiter
    approval: Approval
    remembered: RememberedConsents
    person_vals: PersonVals
    admission: Admission
    key_keeper: KeyKeeper
    flows: FlowRecorder
    audit: AuditLog
    sign_in: SignIn
    val_town_sign_in: ValTownSignIn | None


async def _services(request: Request) -> Services:
    # Async, or FastAPI would take it to a worker thread and back for every request.
    return cast(Services, request.app.state.services)


ServicesDep = Annotated[Services, Depends(_services)]
