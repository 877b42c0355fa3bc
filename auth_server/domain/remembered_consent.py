"""Consent that a person lets count again: for the very same request of the very same app, and no other.

Opt-in, on the consent page. What is remembered hangs on the grant that was approved with it: once that is
over or was narrowed, the person is asked again.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from auth_server.domain import generate
from auth_server.domain.redirect_uri import leads_to_this_computer
from auth_server.models import Client, GrantSummary, PendingAuthorization, RememberedConsent
from auth_server.store.base import ConsentStore, GrantStore
from shared.logs import get_logger

_log = get_logger("oauth:consent")


@dataclass(frozen=True, slots=True)
class RememberedConsents:
    """What people let count again."""

    consents: ConsentStore
    grants: GrantStore

    async def recall(
        self, client: Client, pending: PendingAuthorization, subject: str
    ) -> RememberedConsent | None:
        """Return what this person decided about this very request before, if it still counts.

        Args:
            client: as it is registered now.
            pending: the request that waits.
            subject: the person who is signed in.
        """
        if not can_be_remembered(pending):
            return None
        found = await self.consents.find(subject, client.client_id)
        if found is None or found.request != _request_of(client, pending):
            return None
        grant = await self.grants.find(found.grant_id)
        # Whoever took something from the app since has changed their mind about it.
        if grant is None or grant.version or (grant.subject, grant.client_id) != (subject, client.client_id):
            return None
        return found

    async def remember(
        self,
        client: Client,
        pending: PendingAuthorization,
        subject: str,
        *,
        grant_id: str,
        kept: Collection[str],
        vals: Sequence[str],
    ) -> None:
        """Let a decision count again; it takes the place of an older one about the same app.

        Args:
            client: as the person saw it.
            pending: the request that was approved.
            subject: the person.
            grant_id: the grant that was made.
            kept: the fine scopes that were left ticked.
            vals: ids of the vals it is limited to; none: all that the scopes reach.
        """
        if not can_be_remembered(pending):
            return
        consent = RememberedConsent(_request_of(client, pending), grant_id, tuple(sorted(kept)), tuple(vals))
        await self.consents.keep(subject, client.client_id, consent)
        _log.info("remembered", grant_id=grant_id, client_id=client.client_id, subject=subject)

    async def is_remembered(self, grant: GrantSummary) -> bool:
        """Return whether the decision that made this grant is kept to count again: for people to see."""
        found = await self.consents.find(grant.subject, grant.client_id)
        return found is not None and found.grant_id == grant.grant_id

    async def forget(self, subject: str, client_id: str) -> None:
        """Ask a person again about an app, whatever it asks for.

        Whoever takes access back calls this first: then nothing that goes on meanwhile gets it back.
        """
        await self.consents.forget(subject, client_id)


def can_be_remembered(pending: PendingAuthorization) -> bool:
    """Return whether a person may let their decision on a request count again.

    Not where any program on the person's computer may have asked (RFC 8252 section 8.6): only the person can
    tell which one it was. And not where the client wants them to be asked.
    """
    if pending.ask_for_consent or not pending.redirect_uri:
        return False
    return not leads_to_this_computer(pending.redirect_uri)


def _request_of(client: Client, pending: PendingAuthorization) -> str:
    # All that the page shows, and where the code goes: when any of it is another, it is another request.
    parts = [
        client.client_id,
        client.name,
        client.by_operator,
        sorted(client.redirect_uris),
        pending.redirect_uri,
        sorted(pending.scopes),
        pending.resource,
    ]
    return generate.digest(json.dumps(parts))
