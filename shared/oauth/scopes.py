"""Scope strings and what they add up to (RFC 6749 section 3.3; RFC 6750 section 3)."""

import re
from collections.abc import Iterable
from functools import lru_cache

from shared.oauth.errors import InvalidScope
from shared.policy import ALL_SCOPES, OFFLINE_ACCESS, SCOPES, UMBRELLAS

# RFC 6749 section 3.3: one or more of %x21 / %x23-5B / %x5D-7E, separated by single spaces.
_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
_MAX_LENGTH = 1024
_ORDER = {name: position for position, name in enumerate(ALL_SCOPES)}


def parse_scope(scope: str) -> tuple[str, ...]:
    """Return the scopes of a scope string: known ones, each once, in table order.

    Raises:
        InvalidScope: a name is not known here, or the string breaks the grammar of RFC 6749 section 3.3.
    """
    names = _split(scope)
    for name in names:
        if name not in _ORDER:
            raise InvalidScope(f"The scope {name} is not known. Known are: {' '.join(ALL_SCOPES)}.")
    return in_order(names)


def known_scopes(scope: str) -> tuple[str, ...]:
    """Return the scopes of a scope string that are known here, maybe none, each once, in table order.

    RFC 6749 section 3.3 lets a server ignore a part of what is asked for, and tell what it granted.

    Raises:
        InvalidScope: the string breaks the grammar of section 3.3.
    """
    return in_order(name for name in _split(scope) if name in _ORDER)


def _split(scope: str) -> list[str]:
    if len(scope) > _MAX_LENGTH:
        raise InvalidScope(f"The scope is longer than {_MAX_LENGTH} characters.")
    names = scope.split(" ")
    if not all(_SCOPE_TOKEN.fullmatch(name) for name in names):
        raise InvalidScope("The scope must be names separated by single spaces.")
    return names


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return known scope names once each, in table order."""
    return tuple(sorted(set(names), key=_ORDER.__getitem__))


def format_scope(names: Iterable[str]) -> str:
    """Return the scope string of known scope names, in table order."""
    return " ".join(in_order(names))


@lru_cache(maxsize=1024)
def _expand(names: frozenset[str]) -> frozenset[str]:
    found: set[str] = set()
    waiting = [name for name in names if name != OFFLINE_ACCESS]
    while waiting:
        name = waiting.pop()
        if name in UMBRELLAS:
            waiting.extend(UMBRELLAS[name])
        elif name not in found:
            found.add(name)
            waiting.extend(SCOPES[name].implies)
    return frozenset(found)


def expand(names: Iterable[str]) -> frozenset[str]:
    """Return every fine scope that the given scopes amount to, umbrellas and implications followed."""
    return _expand(frozenset(names))


def narrow(requested: Iterable[str], kept: Iterable[str]) -> tuple[str, ...]:
    """Return the shortest names for what is left of `requested` when only the fine scopes `kept` are allowed.

    A scope goes when anything it implies was taken away: nobody who unticks reading means to allow writing.
    Umbrellas stay where all they stand for stays, so that a client sees the names that it asked for.
    """
    requested = tuple(requested)
    allowed = frozenset(kept)
    left = {name for name in expand(requested) if expand((name,)) <= allowed}
    names = {name for name in requested if name == OFFLINE_ACCESS or expand((name,)) <= left}
    rest = left - expand(names)
    implied = {other for name in rest for other in expand((name,)) - {name}}
    return in_order(names | (rest - implied))
