"""Secrets at rest: AES-256-GCM, key id in the ciphertext, owner in the authenticated data."""

import base64
import binascii
import hashlib
import json
import secrets
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_VERSION: Final = "v1"
_NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32


class UnsealError(Exception):
    """The ciphertext was altered, belongs to another owner, or was sealed with a key that is not here."""


def base64url(data: bytes) -> str:
    """Return base64url without padding (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_base64url(text: str) -> bytes:
    """Return the bytes of canonical, unpadded base64url.

    Raises:
        ValueError: padding, another alphabet, or bits that a canonical encoder would not have set.
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64url") from None
    if base64url(data) != text:
        raise ValueError("not canonical base64url")
    return data


def key_id(key: bytes) -> str:
    """Return the public name of an encryption key: it tells keys apart and tells nothing about them."""
    return hashlib.sha256(b"val-town-mcp key id\x00" + key).hexdigest()[:8]


class Sealer:
    """Seals and unseals under one master key, with a subkey for each purpose and owner.

    A random 96-bit nonce under a subkey of its own leaves collisions out of reach (NIST SP 800-38D, 8.3).
    """

    def __init__(self, key: bytes) -> None:
        """Take the 32 bytes of OAUTH_ENCRYPTION_KEY."""
        if len(key) != KEY_BYTES:
            raise ValueError("the encryption key must be 32 bytes")
        self._key = key
        self.key_id = key_id(key)

    def seal(self, plaintext: bytes, *, purpose: str, owner: Sequence[str]) -> str:
        """Return `v1.<key id>.<nonce>.<ciphertext>`, bound to the purpose and to every value in `owner`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        cipher = AESGCM(self._subkey(purpose, owner))
        sealed = cipher.encrypt(nonce, plaintext, self._context(purpose, owner))
        return f"{_VERSION}.{self.key_id}.{base64url(nonce)}.{base64url(sealed)}"

    def unseal(self, sealed: str, *, purpose: str, owner: Sequence[str]) -> bytes:
        """Return the plaintext sealed for this purpose and owner.

        Raises:
            UnsealError: see the class; the reasons are not told apart.
        """
        try:
            version, kid, nonce, ciphertext = sealed.split(".")
            if version != _VERSION or kid != self.key_id:
                raise UnsealError("sealed with another key")
            cipher = AESGCM(self._subkey(purpose, owner))
            return cipher.decrypt(
                from_base64url(nonce), from_base64url(ciphertext), self._context(purpose, owner)
            )
        except (ValueError, InvalidTag):
            raise UnsealError("not a ciphertext for this owner") from None

    def derive(self, purpose: str, length: int = 32) -> bytes:
        """Return key material for another use, independent of every sealing key (RFC 5869)."""
        info = f"derive\x00{purpose}".encode()
        return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(self._key)

    @staticmethod
    def key_from(secret: str) -> bytes:
        """Return a key made from another secret of at least 128 random bits."""
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"key from secret").derive(
            secret.encode()
        )

    def _subkey(self, purpose: str, owner: Sequence[str]) -> bytes:
        info = f"seal\x00{purpose}\x00{owner[0] if owner else ''}".encode()
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(self._key)

    def _context(self, purpose: str, owner: Sequence[str]) -> bytes:
        return json.dumps([_VERSION, self.key_id, purpose, *owner]).encode()
