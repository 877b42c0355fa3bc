"""A record as one line of JSON, and the MACs that chain lines (HMAC, RFC 2104; keys by HKDF, RFC 5869).

Each line holds the MAC of the line before, as `prev`, and ends in its own, over all bytes before that.
Whoever has no key can change, drop, add or swap no line without breaking the chain there; whoever has it can.
"""

import hmac
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from shared.sealing import Sealer

NO_MAC: Final = "0" * 64
"""`prev` of the first line of a chain."""

MOST_LINE_BYTES: Final = 16_384

_CHAIN: Final = "audit chain"
_ARGUMENTS: Final = "audit arguments"
_MAC_MEMBER: Final = b',"mac":"'
_TAIL: Final = len(_MAC_MEMBER) + len(NO_MAC) + len(b'"}')


class ChainKey:
    """What MACs records and digests arguments, from one encryption key."""

    def __init__(self, sealer: Sealer, key_id: str | None = None) -> None:
        """Take the ring and the id of an encryption key in it; None: the one that seals.

        Raises:
            UnknownKeyError: it is not in the ring.
        """
        self.key_id = key_id or sealer.key_id
        self._chain = sealer.derive_with(self.key_id, _CHAIN)
        self._arguments = sealer.derive_with(self.key_id, _ARGUMENTS)

    def mac(self, body: bytes) -> str:
        """Return the MAC of a record's bytes."""
        return hmac.digest(self._chain, body, sha256).hex()

    def digest(self, arguments: object) -> str:
        """Return the keyed digest of a JSON value: equal for equal values, and says nothing else.

        Raises:
            ValueError, TypeError, RecursionError: it is no JSON value.
        """
        canonical = _json(arguments, sort_keys=True)
        return hmac.digest(self._arguments, canonical, sha256).hex()


def line_of(members: Mapping[str, object], key: ChainKey) -> tuple[bytes, str]:
    """Return a record as a line with its end, and its MAC."""
    body = _json(members)
    mac = key.mac(body)
    return b'%b%b%b"}\n' % (body[:-1], _MAC_MEMBER, mac.encode()), mac


def take_apart(line: bytes) -> tuple[bytes, str]:
    """Return the bytes that a line's MAC is over, and the MAC it has; the line comes without its end.

    Raises:
        ValueError: it has not the form of a record.
    """
    tail = line[-_TAIL:]
    if len(line) <= _TAIL or not tail.startswith(_MAC_MEMBER) or not tail.endswith(b'"}'):
        raise ValueError("not a record")
    mac = tail[len(_MAC_MEMBER) : -2].decode("ascii", "replace")
    return line[:-_TAIL] + b"}", mac


def is_mac(key: ChainKey, body: bytes, mac: str) -> bool:
    """Return whether a MAC is that of these bytes."""
    return hmac.compare_digest(key.mac(body).encode(), mac.encode())


def members_of(body: bytes) -> dict[str, Any]:
    """Return the members of a record whose MAC was checked, or that is not relied on.

    Raises:
        ValueError: they are no JSON object.
    """
    members = json.loads(body)
    if not isinstance(members, dict):
        raise ValueError("not a JSON object")
    return members


def _json(value: object, *, sort_keys: bool = False) -> bytes:
    # ASCII alone: one character cannot look like another, and half a surrogate pair is no fault.
    return json.dumps(value, sort_keys=sort_keys, separators=(",", ":"), allow_nan=False).encode("ascii")
