"""Clients whose `client_id` is the URL of a document: fetched once, kept, read again when it is due.

A document is fetched when a person is sent here by its client. Whoever is known already is served from the
store, also while its host does not answer; tokens never depend on somebody else's web server.
"""

from dataclasses import replace
from typing import Final, TypeGuard

from auth_server.domain import client_document, client_id_url
from auth_server.domain.limits import NEW_DOCUMENTS
from auth_server.domain.redirect_uri import RedirectPolicy
from auth_server.models import Client
from auth_server.outbound.fetcher import DocumentFetcher, NoDocumentError, SlowError, UnavailableError
from auth_server.outbound.known_documents import KnownDocuments
from auth_server.outbound.single_flight import SingleFlight
from auth_server.store.base import ClientStore
from shared.clock import Clock
from shared.logs import get_logger
from shared.oauth.errors import TemporarilyUnavailable
from shared.rate_limit import RateLimiter

STALE_SECONDS: Final = 7 * 86_400
"""How long beyond its time a document is used while its host does not answer."""

AWAY_SECONDS: Final = 10.0
"""How long a host that did not answer in time is not asked again: nobody else shall wait for it."""

_MAX_AWAY: Final = 1024

_log = get_logger("oauth:client-documents")


class NoClientError(Exception):
    """The URL leads to no client; a person reads `reason`."""

    def __init__(self, reason: str) -> None:
        """Take a sentence."""
        self.reason = reason
        super().__init__(reason)


class ClientDocuments:
    """Finds clients by the URL of their document."""

    def __init__(
        self,
        clients: ClientStore,
        fetcher: DocumentFetcher | None,
        limiter: RateLimiter,
        clock: Clock,
        policy: RedirectPolicy,
        *,
        grant_types: tuple[str, ...],
        hosts: frozenset[str],
        known: KnownDocuments,
    ) -> None:
        """Take where clients are kept, what fetches, and what is known without fetching.

        Args:
            clients: the store.
            fetcher: None: nothing is fetched.
            limiter: counts documents that are not known yet.
            clock: the clock.
            policy: which redirect URIs are allowed.
            grant_types: what the token endpoint supports.
            hosts: whose documents are taken; none named: everybody's.
            known: what needs not be fetched.
        """
        self._clients = clients
        self._fetcher = fetcher
        self._limiter = limiter
        self._clock = clock
        self._policy = policy
        self._grant_types = grant_types
        self._hosts = hosts
        self._pinned = known.pinned
        self._well_known = known.well_known
        self._fetching = SingleFlight[Client]()
        self._away: dict[str, float] = {}

    async def find(self, client_id: str) -> Client:
        """Return the client that a document describes, for a request that begins.

        Args:
            client_id: a URL, as it came.

        Raises:
            NoClientError: there is no such document, it is not usable, or its host is not allowed.
            TemporarilyUnavailable: it cannot be had just now, and is not known from before.
            TooManyRequests: too many that are not known were asked for.
        """
        if (pinned := self._pinned.get(client_id)) is not None:
            await self._clients.keep_document(pinned)
            return pinned
        self._check(client_id)
        known = await self._clients.find(client_id)
        if self._is_fresh(known):
            return known
        well_known = self._well_known.get(client_id)
        if self._fetcher is None and known is None and well_known is None:
            raise NoClientError("This server does not read descriptions of apps that it does not know.")
        try:
            return await self._fetch(client_id, is_new=known is None and well_known is None)
        except UnavailableError as error:
            return await self._instead(client_id, known or well_known, error.reason)
        except (NoDocumentError, client_document.InvalidDocumentError) as error:
            if well_known is not None:
                # More likely something in between than the original.
                return await self._instead(client_id, well_known, error.reason)
            _log.info("no document", client_id=client_id, reason=error.reason)
            raise NoClientError(
                f"The description of this app cannot be used, or is not there: {error.reason}."
            ) from None

    async def renewed(self, client: Client, *, at_once: bool = False) -> Client:
        """Return a client as its document says now, if it is due and can be had; else as it was.

        For tokens: the client is known, and goes on with what is known when its host does not answer.

        Args:
            client: from the store.
            at_once: also when it is not due.
        """
        due = at_once or client.fresh_until <= self._clock.now()
        if not client.by_document or client.client_id in self._pinned or not due:
            return client
        try:
            return await self._fetch(client.client_id, is_new=False, at_once=at_once)
        except (UnavailableError, NoDocumentError, client_document.InvalidDocumentError) as error:
            _log.info("document not renewed", client_id=client.client_id, reason=error.reason)
            return client

    def _check(self, client_id: str) -> None:
        try:
            client_id_url.check(client_id)
        except client_id_url.ClientIdUrlError as error:
            raise NoClientError(
                f"This app calls itself by a URL that cannot be used. {error.reason}"
            ) from None
        if self._hosts and client_id_url.host_of(client_id) not in self._hosts:
            raise NoClientError("The operator of this server does not allow apps of this host.")

    async def _instead(self, client_id: str, known: Client | None, reason: str) -> Client:
        _log.warning("document not had", client_id=client_id, reason=reason, known=known is not None)
        now = self._clock.now()
        if known is None or 0 < known.fresh_until < now - STALE_SECONDS:
            raise TemporarilyUnavailable(f"The description of this app could not be read: {reason}.")
        if not known.fresh_until:
            # A copy from here: the original is asked for again before long.
            known = replace(known, fresh_until=int(now + AWAY_SECONDS))
            await self._clients.keep_document(known)
        return known

    def _is_fresh(self, client: Client | None) -> TypeGuard[Client]:
        return client is not None and client.fresh_until > self._clock.now()

    async def _fetch(self, client_id: str, *, is_new: bool, at_once: bool = False) -> Client:
        host = client_id_url.host_of(client_id)
        if self._fetcher is None or self._away.get(host, 0.0) > self._clock.now():
            raise UnavailableError("its host did not answer a moment ago")
        if is_new and not self._fetching.is_running(client_id):
            await self._limiter.take(NEW_DOCUMENTS)
        fetcher = self._fetcher

        async def fetch() -> Client:
            # Somebody may have fetched it between the look into the store and here.
            kept = None if at_once else await self._clients.find(client_id)
            return kept if self._is_fresh(kept) else await self._fetch_now(fetcher, client_id, host)

        return await self._fetching.run(client_id, fetch)

    async def _fetch_now(self, fetcher: DocumentFetcher, client_id: str, host: str) -> Client:
        try:
            fetched = await fetcher.fetch(client_id, host=host, limit=client_document.MAX_BYTES)
        except SlowError:
            while len(self._away) >= _MAX_AWAY:
                del self._away[next(iter(self._away))]
            self._away[host] = self._clock.now() + AWAY_SECONDS
            raise
        read = client_document.read(
            fetched.body, url=client_id, policy=self._policy, grant_types=self._grant_types
        )
        client = replace(read, fresh_until=int(self._clock.now() + fetched.fresh_seconds))
        await self._clients.keep_document(client)
        _log.info("document read", client_id=client_id, name=client.name, fresh_seconds=fetched.fresh_seconds)
        return client

    async def close(self) -> None:
        """End what is being fetched."""
        self._fetching.cancel()
        if self._fetcher is not None:
            await self._fetcher.close()
