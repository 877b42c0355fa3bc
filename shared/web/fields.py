"""The header lines of a request, looked up by name."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Final

from starlette.types import Scope

_READ: Final = "val_town.fields"


class HeaderFields:
    """Every line of each name, so that whoever asks sees it when there are two."""

    __slots__ = ("_lines", "_only")

    def __init__(self, lines: Sequence[tuple[bytes, bytes]]) -> None:
        """Take the lines, with lower-case names."""
        self._lines = lines
        only = dict(lines)
        # Almost always no name comes twice, and then one look finds what there is.
        self._only = only if len(only) == len(lines) else None

    @classmethod
    def of(cls, scope: Scope) -> "HeaderFields":
        """Return those of a request; read once."""
        fields: HeaderFields | None = scope.get(_READ)
        if fields is None:
            fields = scope[_READ] = cls(scope["headers"])
        return fields

    @property
    def size(self) -> int:
        """Bytes of all names and values."""
        return sum(map(len, chain.from_iterable(self._lines)))

    def repeated(self) -> Sequence[bytes]:
        """Return the names that come more than once, in the order of their lines."""
        if self._only is not None:
            return ()
        counts = Counter(name for name, _ in self._lines)
        return [name for name, count in counts.items() if count > 1]

    def all(self, name: bytes) -> Sequence[bytes]:
        """Return the values of a name, in the order of their lines."""
        if self._only is None:
            return [value for known, value in self._lines if known == name]
        value = self._only.get(name)
        return () if value is None else (value,)
