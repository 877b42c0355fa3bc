"""The requirements manifest: what standards and known attacks demand, each under an id that tests carry.

A test says what it proves with `@requirement("O12", "C54")`; an id that is not here fails at its import.
"""

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

REQUIREMENTS: dict[str, Requirement] = {
    **OAUTH,
    **EXTENSIONS,
    **MCP_AUTHORIZATION,
    **AUTHORIZATION,
    **PKCE,
    **CODES,
    **CLIENT_AUTHENTICATION,
    **REFRESH,
    **REVOCATION,
    **REGISTRATION,
    **ACCESS_TOKENS,
    **MCP,
    **HTTP,
    **PAGES,
    **CUSTODY,
}


def requirement(*ids: str) -> pytest.MarkDecorator:
    """Mark a test as the proof of one or more requirements.

    Raises:
        KeyError: no requirement has such an id.
    """
    if unknown := [id_ for id_ in ids if id_ not in REQUIREMENTS]:
        raise KeyError(f"not in tests/requirements: {', '.join(unknown)}")
    return pytest.mark.requirement(*ids)
