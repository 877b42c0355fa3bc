"""A person's answer: approving makes a grant and its code, denying makes nothing (RFC 6749 section 4.1.2)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from auth_server.domain import generate
from auth_server.models import AuthorizationCode, Grant, PendingAuthorization, UserSession
from auth_server.store.base import GrantStore
from shared.credentials import (
    Credential,
    CredentialOwner,
    dump_credential,
    load_credential,
    seal_credential,
)
from shared.logs import get_logger
from shared.oauth.errors import InvalidScope
from shared.oauth.scopes import expand, narrow
from shared.sealing import Sealer

_log = get_logger("oauth:consent")
_SESSION_PURPOSE = "session-credential"


@dataclass(frozen=True, slots=True)
class Approval:
    """Turns a pending authorization into a grant."""

    grants: GrantStore
    sealer: Sealer

    async def approve(
        self,
        pending: PendingAuthorization,
        session: UserSession,
        kept: Collection[str],
        vals: Sequence[str] = (),
        *,
        flow: str = "",
    ) -> str:
        """Return a new authorization code for the scopes a person left ticked.

        Args:
            pending: the validated request, already taken from its store, so that it is answered once.
            session: of the person who approved.
            kept: fine scopes that stay; others that were asked for are left out.
            vals: ids of the vals it is limited to; none: all that the scopes reach.
            flow: the id of the attempt.

        Raises:
            InvalidScope: nothing is left.
        """
        scopes = narrow(pending.scopes, kept)
        if not expand(scopes):
            raise InvalidScope("No permission was left to grant.")
        grant = Grant(
            grant_id=generate.grant_id(),
            client_id=pending.client_id,
            subject=session.subject,
            username=session.username,
            scopes=scopes,
            resource=pending.resource,
            vals=tuple(sorted(set(vals))),
            flow=flow,
        )
        code = _new_code(grant.grant_id)
        owner = CredentialOwner(grant.grant_id, grant.subject, grant.client_id)
        await self.grants.create(
            grant,
            AuthorizationCode(
                code_hash=generate.digest(code),
                client_id=pending.client_id,
                redirect_uri=pending.redirect_uri,
                code_challenge=pending.code_challenge,
            ),
            seal_credential(self.sealer, owner, open_session_credential(self.sealer, session)),
        )
        _log.info(
            "approved",
            grant_id=grant.grant_id,
            client_id=grant.client_id,
            subject=grant.subject,
            scope=" ".join(scopes),
            vals=len(grant.vals) or None,
        )
        return code


def seal_session_credential(sealer: Sealer, session_id: str, credential: Credential) -> str:
    """Return a credential sealed for one session: it waits there until the person approves something."""
    content = dump_credential(credential)
    return sealer.seal(content, purpose=_SESSION_PURPOSE, owner=(generate.digest(session_id),))


def open_session_credential(sealer: Sealer, session: UserSession) -> Credential | None:
    """Return the Val Town credential of a session; None in owner mode.

    Raises:
        UnsealError: it was sealed for another session or with another key.
    """
    if session.sealed_credential is None:
        return None
    owner = (generate.digest(session.session_id),)
    return load_credential(sealer.unseal(session.sealed_credential, purpose=_SESSION_PURPOSE, owner=owner))


def _new_code(grant_id: str) -> str:
    # The grant's id in front lets any replica find the one hash slot without an index.
    return f"{generate.AUTHORIZATION_CODE}{grant_id}.{generate.secret('')}"


def code_grant_id(code: str) -> str | None:
    """Return the grant id a code carries, None when it has not the form of a code."""
    grant_id, dot, secret = code.removeprefix(generate.AUTHORIZATION_CODE).partition(".")
    well_formed = code.startswith(generate.AUTHORIZATION_CODE) and dot and secret
    if not well_formed or len(grant_id) != 22 or len(code) > 200:
        return None
    return grant_id
