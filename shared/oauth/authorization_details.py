"""What a grant is limited to beyond its scopes: chosen vals, as a claim of its tokens (RFC 9396).

`[{"type": "val_town_vals", "vals": [<val id>, …]}]`; without the claim a token reaches every val that its
scopes do. Clients cannot ask for it, only the person who approves can say it.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

CLAIM: Final = "authorization_details"
"""RFC 9396 sections 7 (token response), 9.1 (JWT) and 9.2 (introspection)."""

VALS_TYPE: Final = "val_town_vals"

MAX_VALS: Final = 30
"""The most vals a grant can be limited to: their ids travel in every request."""

_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_val_id(text: str) -> bool:
    """Return whether a text is a val's id in its canonical form."""
    return _ID.fullmatch(text) is not None


def details_of(vals: Sequence[str]) -> dict[str, object]:
    """Return the member that says so in a token, token response or introspection answer; empty: no limit."""
    return {CLAIM: [{"type": VALS_TYPE, "vals": list(vals)}]} if vals else {}


def vals_of(details: object) -> frozenset[str]:
    """Return the ids of the vals that a claim limits its token to.

    Raises:
        ValueError: it is not exactly what `details_of` makes. A limit that is not understood must not be
            taken for none.
    """
    match details:
        case [{"type": "val_town_vals", "vals": list(vals), **others}] if not others:
            if 0 < len(vals) <= MAX_VALS and _all_ids(vals):
                return frozenset(vals)
    raise ValueError("these authorization_details are not known here")


def _all_ids(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) and is_val_id(value) for value in values)
