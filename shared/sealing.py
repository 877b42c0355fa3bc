"""Secrets at rest: AES-256-GCM, key id in the ciphertext, owner in the authenticated data."""

import binascii
import hashlib
import re
import secrets
from collections.abc import Sequence
from json.encoder import encode_basestring_ascii
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_VERSION: Final = "v1"
_NONCE_BYTES: Final = 12
_KEY_ID: Final = re.compile(r"[0-9a-f]{8}")
KEY_BYTES: Final = 32

_SHA256: Final = SHA256()
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_", b"+/")


class UnsealError(Exception):
    """The ciphertext was altered, belongs to another owner, or was sealed with a key that is not here."""


class UnknownKeyError(UnsealError):
    """The ciphertext names an encryption key that is not here; `key_id` is the name."""

    def __init__(self, key_id: str) -> None:
        """Take the name in the ciphertext."""
        self.key_id = key_id
        super().__init__(f"sealed with the encryption key {key_id}, which is not here")


def base64url(data: bytes) -> str:
    """Return base64url without padding (RFC 4648 section 5)."""
    # What `base64` does, without its layers: a token request comes here ten times.
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL).rstrip(b"=").decode("ascii")


def from_base64url(text: str) -> bytes:
    """Return the bytes of canonical, unpadded base64url.

    Raises:
        ValueError: padding, another alphabet, or bits that a canonical encoder would not have set.
    """
    try:
        encoded = text.encode("ascii") + b"=" * (-len(text) % 4)
        data = binascii.a2b_base64(encoded.translate(_FROM_URL), strict_mode=True)
    except ValueError:
        raise ValueError("not base64url") from None
    # Here + and / are refused, too: what was encoded for a URL has none.
    if base64url(data) != text:
        raise ValueError("not canonical base64url")
    return data


def key_id(key: bytes) -> str:
    """Return the public name of an encryption key: it tells keys apart and tells nothing about them."""
    return hashlib.sha256(b"val-town-mcp key id\x00" + key).hexdigest()[:8]


def sealing_key_id(sealed: str) -> str | None:
    """Return the key id that a ciphertext names, None when it has not the form of one."""
    version, _, rest = sealed.partition(".")
    named = rest.partition(".")[0]
    return named if version == _VERSION and _KEY_ID.fullmatch(named) else None


class Sealer:
    """Seals under one master key and unseals under several, with a subkey for each purpose and owner.

    A random 96-bit nonce under a subkey of its own leaves collisions out of reach (NIST SP 800-38D, 8.3).
    """

    def __init__(self, key: bytes, *others: bytes) -> None:
        """Take the 32 bytes of OAUTH_ENCRYPTION_KEY, then those of OAUTH_DECRYPTION_KEYS, which only open."""
        if any(len(one) != KEY_BYTES for one in (key, *others)):
            raise ValueError("an encryption key must be 32 bytes")
        self.key_id = key_id(key)
        self._keys = {**{key_id(one): one for one in others}, self.key_id: key}

    @property
    def key_ids(self) -> frozenset[str]:
        """The ids of every key that is here."""
        return frozenset(self._keys)

    def seals_with(self, sealed: str) -> bool:
        """Return whether a ciphertext names the key that seals now."""
        return sealing_key_id(sealed) == self.key_id

    def seal(self, plaintext: bytes, *, purpose: str, owner: Sequence[str]) -> str:
        """Return `v1.<key id>.<nonce>.<ciphertext>`, bound to the purpose and to every value in `owner`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        cipher = AESGCM(_subkey(self._keys[self.key_id], purpose, owner))
        sealed = cipher.encrypt(nonce, plaintext, _context(self.key_id, purpose, owner))
        return f"{_VERSION}.{self.key_id}.{base64url(nonce)}.{base64url(sealed)}"

    def unseal(self, sealed: str, *, purpose: str, owner: Sequence[str]) -> bytes:
        """Return the plaintext sealed for this purpose and owner, with whichever key of the ring.

        Raises:
            UnknownKeyError: it names a key that is not here.
            UnsealError: everything else; the reasons are not told apart.
        """
        named = sealing_key_id(sealed)
        if named is not None and named not in self._keys:
            raise UnknownKeyError(named)
        try:
            version, kid, nonce, ciphertext = sealed.split(".")
            if version != _VERSION or kid != named:
                raise UnsealError("not a ciphertext")
            cipher = AESGCM(_subkey(self._keys[kid], purpose, owner))
            return cipher.decrypt(
                from_base64url(nonce), from_base64url(ciphertext), _context(kid, purpose, owner)
            )
        except (ValueError, InvalidTag):
            raise UnsealError("not a ciphertext for this owner") from None

    def derive(self, purpose: str, length: int = 32) -> bytes:
        """Return key material for another use, independent of every sealing key (RFC 5869)."""
        return _derive(self._keys[self.key_id], purpose, length)

    def derive_with(self, key_id: str, purpose: str, length: int = 32) -> bytes:
        """Return what `derive` gives with one key of the ring.

        Raises:
            UnknownKeyError: there is no such key here.
        """
        if key_id not in self._keys:
            raise UnknownKeyError(key_id)
        return _derive(self._keys[key_id], purpose, length)

    def derive_each(self, purpose: str, length: int = 32) -> tuple[bytes, ...]:
        """Return what `derive` gives with each key of the ring, the one that seals now first.

        What was made with the first may have been made with another before the encryption key was changed.
        """
        others = [key for kid, key in self._keys.items() if kid != self.key_id]
        return (self.derive(purpose, length), *(_derive(key, purpose, length) for key in others))

    @staticmethod
    def key_from(secret: str) -> bytes:
        """Return a key made from another secret of at least 128 random bits."""
        return _hkdf(secret.encode(), b"key from secret")


def _derive(key: bytes, purpose: str, length: int) -> bytes:
    return _hkdf(key, f"derive\x00{purpose}".encode(), length)


def _subkey(key: bytes, purpose: str, owner: Sequence[str]) -> bytes:
    return _hkdf(key, f"seal\x00{purpose}\x00{owner[0] if owner else ''}".encode())


def _hkdf(key: bytes, info: bytes, length: int = KEY_BYTES) -> bytes:
    return HKDF(_SHA256, length, None, info).derive(key)


def _context(kid: str, purpose: str, owner: Sequence[str]) -> bytes:
    # A JSON array, as json.dumps writes it.
    parts = map(encode_basestring_ascii, (_VERSION, kid, purpose, *owner))
    return f"[{', '.join(parts)}]".encode("ascii")
