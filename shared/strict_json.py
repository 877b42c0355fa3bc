"""JSON read strictly: what two parsers could read in two ways is refused (RFC 8259 section 4, RFC 7493)."""

import json
import math
import re
from typing import Final, NoReturn

MAX_DEPTH = 32
"""Levels of nesting; no message of ours or of MCP comes near it."""

MAX_INTEGER_DIGITS = 20
"""Enough for 64 bits; CPython needs quadratic time for thousands."""

_WHITE_SPACE: Final = " \t\n\r"
# The end quote is optional, so that an unterminated string costs one look, not one for each quote in it.
_STRINGS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_BRACKETS = re.compile(r"[\[\]{}]")


class InvalidJsonError(ValueError):
    """The bytes are not one unambiguous JSON value."""


def loads(data: bytes | str) -> object:
    """Return the value of a JSON text.

    Refuses what `json.loads` lets pass: duplicate members, NaN and infinities, lone surrogates, integers of
    more than 20 digits, more than 32 levels.

    Raises:
        InvalidJsonError: with a short reason that quotes nothing of the input.
    """
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
    except UnicodeDecodeError:
        raise InvalidJsonError("it is not UTF-8") from None
    if text.count("{") + text.count("[") > MAX_DEPTH:
        # Otherwise it cannot be nested so deep.
        _check_depth(text)
    value = _decode(text)
    if "\\u" in text:
        _check_surrogates(value)
    return value


def load_object(data: bytes | str) -> dict[str, object]:
    """Return the members of a JSON object, under the rules of `loads`.

    Raises:
        InvalidJsonError: also when the value is no object.
    """
    value = loads(data)
    if not isinstance(value, dict):
        raise InvalidJsonError("it is not a JSON object")
    return value


def _check_depth(text: str) -> None:
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise InvalidJsonError(f"it is nested deeper than {MAX_DEPTH} levels")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InvalidJsonError("a member occurs twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise InvalidJsonError("NaN and infinities are not JSON")


def _bounded_integer(digits: str) -> int:
    if len(digits) > MAX_INTEGER_DIGITS:
        raise InvalidJsonError("an integer is too large")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise InvalidJsonError("a number is too large")
    return number


# Made once: json.loads makes a decoder for every text when it is given hooks.
_read: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_bounded_integer, parse_float=_finite
).raw_decode


def _decode(text: str) -> object:
    text = text.strip(_WHITE_SPACE)
    try:
        value: object
        value, end = _read(text)
    except InvalidJsonError:
        raise
    except (ValueError, RecursionError):
        raise InvalidJsonError("it is not valid JSON") from None
    if end != len(text):
        raise InvalidJsonError("it is not valid JSON")
    return value


def _check_surrogates(value: object) -> None:
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise InvalidJsonError("a string holds a lone surrogate") from None
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_surrogates(name)
            _check_surrogates(member)
    elif isinstance(value, list):
        for item in value:
            _check_surrogates(item)
