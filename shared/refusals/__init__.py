"""Every refusal of both services, in one table: code, status, where and when, headers, what to do about it.

What answers takes status and code from here, and `docs/errors.md` is made from it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from shared.refusals.json_rpc import JSON_RPC
from shared.refusals.oauth import CREDENTIALS, OAUTH
from shared.refusals.pages import PAGES
from shared.refusals.refusal import Refusal
from shared.refusals.transport import TRANSPORT

TABLE: Final[Mapping[str, tuple[Refusal, ...]]] = MappingProxyType(
    {"oauth": OAUTH, "pages": PAGES, "credentials": CREDENTIALS, "json-rpc": JSON_RPC, "transport": TRANSPORT}
)
"""Its rows, by kind."""
