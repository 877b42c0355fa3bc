"""URI templates with `{name}` and `{+path}` (RFC 6570), read backwards: a URI becomes values."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

_EXPRESSION: Final = re.compile(r"\{(\+?)([a-z_]+)\}")
MAX_URI_LENGTH: Final = 4096


class UriTemplate:
    """A template; without expressions it is the one URI it stands for."""

    def __init__(self, text: str) -> None:
        """Take the template."""
        self.text = text
        self.names = tuple(match.group(2) for match in _EXPRESSION.finditer(text))
        self._pattern = re.compile(_pattern_of(text), re.DOTALL)

    def match(self, uri: str) -> Mapping[str, str] | None:
        """Return the values in a URI, percent-decoded; None when the template does not give this URI.

        A value of `{name}` is one step of a path: a slash in it is only ever an encoded one.
        """
        found = self._pattern.fullmatch(uri) if len(uri) <= MAX_URI_LENGTH else None
        if found is None:
            return None
        try:
            return {name: unquote(value, errors="strict") for name, value in found.groupdict().items()}
        except UnicodeDecodeError:
            return None


def _pattern_of(text: str) -> str:
    pieces: list[str] = []
    end = 0
    for match in _EXPRESSION.finditer(text):
        pieces.append(re.escape(text[end : match.start()]))
        characters = r"[^?#]+" if match.group(1) else r"[^/?#]+"
        pieces.append(f"(?P<{match.group(2)}>{characters})")
        end = match.end()
    pieces.append(re.escape(text[end:]))
    return "".join(pieces)
