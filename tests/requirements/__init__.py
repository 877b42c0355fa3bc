"""The requirements manifest: what standards and known attacks demand, each under an id that tests carry.

A test says what it proves with `@requirement("O12", "C54")`; an id that is not here fails at its import.
"""

from collections.abc import Mapping

import pytest

from tests.requirements.attacks_on_authorization import AUTHORIZATION, PKCE
from tests.requirements.attacks_on_clients import CLIENT_AUTHENTICATION, REGISTRATION
from tests.requirements.attacks_on_people import CUSTODY, PAGES
from tests.requirements.attacks_on_the_resource_server import ACCESS_TOKENS, HTTP, MCP
from tests.requirements.attacks_on_tokens import CODES, REFRESH, REVOCATION
from tests.requirements.entry import Requirement
from tests.requirements.extensions import EXTENSIONS
from tests.requirements.mcp_authorization import MCP_AUTHORIZATION
from tests.requirements.oauth import OAUTH

GROUPS: Mapping[str, Mapping[str, Requirement]] = {
    "OAuth 2.1 and its best current practice": OAUTH,
    "Extensions of OAuth": EXTENSIONS,
    "MCP authorization, transport and security practices": MCP_AUTHORIZATION,
    "Attacks: the authorization endpoint and redirects": AUTHORIZATION,
    "Attacks: PKCE": PKCE,
    "Attacks: authorization codes": CODES,
    "Attacks: client authentication": CLIENT_AUTHENTICATION,
    "Attacks: refresh tokens": REFRESH,
    "Attacks: revocation and introspection": REVOCATION,
    "Attacks: registration and client metadata documents": REGISTRATION,
    "Attacks: access tokens at the resource server, each refused": ACCESS_TOKENS,
    "Attacks: the MCP layer": MCP,
    "Attacks: HTTP, each refused or bounded": HTTP,
    "Attacks: sessions, sign-in and consent": PAGES,
    "Attacks: custody of Val Town credentials": CUSTODY,
}

REQUIREMENTS: Mapping[str, Requirement] = {
    id_: entry for entries in GROUPS.values() for id_, entry in entries.items()
}


def requirement(*ids: str) -> pytest.MarkDecorator:
    """Mark a test as the proof of one or more requirements.

    Raises:
        KeyError: no requirement has such an id.
    """
    if unknown := [id_ for id_ in ids if id_ not in REQUIREMENTS]:
        raise KeyError(f"not in tests/requirements: {', '.join(unknown)}")
    return pytest.mark.requirement(*ids)
