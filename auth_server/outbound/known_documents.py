"""Documents of clients that need not be fetched: copies that come with this server, and the operator's."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final, Self

from auth_server.domain import client_document, client_id_url
from auth_server.domain.redirect_uri import RedirectPolicy
from auth_server.models import Client
from shared.settings import SettingsError

_MAX_FILES: Final = 1000

TOKEN_ENDPOINT_AS_AUDIENCE: Final = frozenset({"chatgpt.com"})
"""Hosts whose clients were seen to name the token endpoint as the audience of their assertions.

RFC 7523 section 3 allows it; its revision and FAPI 2.0 want the issuer, which everybody else has to name.
"""


@dataclass(frozen=True, slots=True)
class KnownDocuments:
    """Clients by their `client_id`.

    Attributes:
        pinned: by the operator; they are never fetched.
        well_known: copies of published documents, for when the original cannot be had. Their hosts refuse
            some data centres; a person there shall be able to connect all the same.
    """

    pinned: Mapping[str, Client]
    well_known: Mapping[str, Client]

    @classmethod
    def read(cls, folder: str, *, policy: RedirectPolicy, grant_types: tuple[str, ...]) -> Self:
        """Return the copies that come with this server (of September 2026) and what the operator describes.

        Args:
            folder: of the operator, a JSON file for each client; empty: none.
            policy: which redirect URIs are allowed.
            grant_types: what the token endpoint supports.

        Raises:
            SettingsError: the folder or a file in it cannot be used; one sentence for each.
        """
        text = resources.files("auth_server.outbound").joinpath("well_known.json").read_text("utf-8")
        bodies = (json.dumps(members) for members in json.loads(text))
        read = (
            client_document.read(body, url=None, policy=policy, grant_types=grant_types) for body in bodies
        )
        return cls(
            pinned=_of_operator(folder, policy=policy, grant_types=grant_types) if folder else {},
            well_known=_by_id(read),
        )


def _of_operator(folder: str, *, policy: RedirectPolicy, grant_types: tuple[str, ...]) -> dict[str, Client]:
    files = sorted(Path(folder).glob("*.json"))
    if not Path(folder).is_dir() or len(files) > _MAX_FILES:
        raise SettingsError(
            [f"OAUTH_CLIENT_DOCUMENTS_DIR must be a folder of at most {_MAX_FILES} documents"]
        )
    clients, problems = [], []
    for file in files:
        try:
            client = client_document.read(file.read_bytes(), url=None, policy=policy, grant_types=grant_types)
            client_id_url.check(client.client_id)
            clients.append(client)
        except (client_document.InvalidDocumentError, client_id_url.ClientIdUrlError) as error:
            problems.append(f"OAUTH_CLIENT_DOCUMENTS_DIR: {file.name} cannot be used: {error.reason}")
        except OSError as error:
            problems.append(f"OAUTH_CLIENT_DOCUMENTS_DIR: {file.name} cannot be read: {error.strerror}")
    if problems:
        raise SettingsError(problems)
    return _by_id(clients)


def _by_id(clients: Iterable[Client]) -> dict[str, Client]:
    return {client.client_id: client for client in clients}
