"""Ways to damage a ciphertext by one bit, or by more."""

import base64
from collections.abc import Callable

Damage = Callable[[str], str]


def _flipped(part: int, byte: int) -> Damage:
    def flip(sealed: str) -> str:
        parts = sealed.split(".")
        if part < 2:
            parts[part] = parts[part][:-1] + chr(ord(parts[part][-1]) ^ 1)
        else:
            data = bytearray(base64.urlsafe_b64decode(parts[part] + "=" * (-len(parts[part]) % 4)))
            data[byte] ^= 1
            parts[part] = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
        return ".".join(parts)

    return flip


DAMAGES: dict[str, Damage] = {
    "version": _flipped(0, 0),
    "key id": _flipped(1, 0),
    "nonce": _flipped(2, 0),
    "ciphertext": _flipped(3, 0),
    "tag": _flipped(3, -1),
    "the end": lambda sealed: sealed[:-4],
    "everything": lambda _: "x",
}
"""One bit of each part (the tag is the end of the ciphertext), and what a store's bad day may leave."""
