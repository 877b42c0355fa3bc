"""The public keys of clients, from their metadata or from where those point (RFC 7591 section 2)."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from auth_server.domain.client_assertion import Assertion, InvalidAssertionError, fitting
from auth_server.domain.client_keys import ClientKey, NoKeysError, read_keys
from auth_server.models import Client
from auth_server.outbound.client_documents import ClientDocuments
from auth_server.outbound.fetcher import DocumentFetcher, NoDocumentError, UnavailableError
from auth_server.outbound.single_flight import SingleFlight
from shared.clock import Clock
from shared.logs import get_logger
from shared.oauth.errors import TemporarilyUnavailable
from shared.strict_json import InvalidJsonError, load_object

MAX_BYTES: Final = 64 * 1024
MAX_KEPT: Final = 256
FRESH_SECONDS: Final = 300
"""How long keys are used without asking again; a key that was withdrawn lives no longer."""

STALE_SECONDS: Final = 3600
"""How long keys are used while their host does not answer."""

PAUSE_SECONDS: Final = 30
"""Between two reads, whatever keys assertions name."""

_log = get_logger("oauth:client-keys")


@dataclass(frozen=True, slots=True)
class _Kept:
    keys: tuple[ClientKey, ...]
    read_at: float


class ClientKeySets:
    """Finds the keys of clients that sign assertions."""

    def __init__(self, documents: ClientDocuments, fetcher: DocumentFetcher | None, clock: Clock) -> None:
        """Take the documents of clients, what fetches (None: nothing is fetched), and the clock."""
        self._documents = documents
        self._fetcher = fetcher
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._fetching = SingleFlight[tuple[ClientKey, ...]]()
        self._tried: dict[str, float] = {}

    async def keys_for(self, client: Client, assertion: Assertion) -> tuple[ClientKey, ...]:
        """Return the keys of a client, read again when none of them fits the assertion.

        Args:
            client: with `private_key_jwt`.
            assertion: not verified yet; of it only the name of its key is used.

        Raises:
            TemporarilyUnavailable: the keys cannot be had, and are not known from before.
            InvalidAssertionError: where the keys should be are none.
        """
        client = await self._documents.renewed(client)
        keys = await self._keys_of(client, wait=FRESH_SECONDS)
        if fitting(assertion, keys) or not self._may_try(client.client_id):
            return keys
        # The client may have made itself a new key. Asked rarely: anybody can name any key.
        client = await self._documents.renewed(client, at_once=True)
        return await self._keys_of(client, wait=PAUSE_SECONDS)

    def _may_try(self, client_id: str) -> bool:
        now = self._clock.now()
        if self._tried.get(client_id, 0.0) > now - PAUSE_SECONDS:
            return False
        _make_room(self._tried)
        self._tried[client_id] = now
        return True

    async def _keys_of(self, client: Client, *, wait: float) -> tuple[ClientKey, ...]:
        uri = client.metadata.get("jwks_uri")
        if uri is None:
            return read_keys(client.metadata.get("jwks"))
        kept = self._kept.get(str(uri))
        if kept is not None and kept.read_at > self._clock.now() - wait:
            return kept.keys
        try:
            return await self._fetching.run(str(uri), lambda: self._fetch(str(uri)))
        except UnavailableError as error:
            if kept is None or kept.read_at < self._clock.now() - STALE_SECONDS:
                raise TemporarilyUnavailable(
                    f"The keys of the client could not be read: {error.reason}."
                ) from None
            _log.warning("keys not read again", jwks_uri=uri, reason=error.reason)
            return kept.keys
        except (NoDocumentError, InvalidJsonError, NoKeysError) as error:
            raise InvalidAssertionError(f"the keys of the client cannot be used: {error}") from None

    async def _fetch(self, uri: str) -> tuple[ClientKey, ...]:
        if self._fetcher is None:
            raise UnavailableError("nothing is fetched here")
        fetched = await self._fetcher.fetch(uri, host=urlsplit(uri).netloc, limit=MAX_BYTES)
        keys = read_keys(load_object(fetched.body))
        _make_room(self._kept)
        self._kept[uri] = _Kept(keys, self._clock.now())
        return keys


def _make_room(kept: dict[str, float] | dict[str, _Kept]) -> None:
    while len(kept) >= MAX_KEPT:
        del kept[next(iter(kept))]
