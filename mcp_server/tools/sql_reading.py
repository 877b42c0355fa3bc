"""Which SQL only reads: the wall in front of Val Town's own read mode, since its tokens cannot be read-only.

It knows SQLite's tokens (https://www.sqlite.org/lang.html), not its grammar: what it lets through may still
be wrong, but it is one statement that begins as a query and has no word that only writing statements have.
"""

import re
from itertools import pairwise
from typing import Final

_TOKEN: Final = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*(?:\n|\Z)|/\*.*?(?:\*/|\Z))
  | (?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])
  | (?P<word>[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_$\u0080-\U0010ffff]*)
  | (?P<end>;)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_FIRST: Final = frozenset({"SELECT", "WITH", "VALUES", "EXPLAIN"})
_WRITING: Final = frozenset(
    {
        "ALTER",
        "ANALYZE",
        "ATTACH",
        "BEGIN",
        "COMMIT",
        "CREATE",
        "DELETE",
        "DETACH",
        "DROP",
        "INSERT",
        "PRAGMA",
        "REINDEX",
        "RELEASE",
        "ROLLBACK",
        "SAVEPOINT",
        "UPDATE",
        "VACUUM",
    }
)


def reads_only(sql: str) -> bool:
    """Return whether a text is one statement that can only read.

    A column named like a writing statement has to be quoted to pass.
    """
    words: list[str] = []
    ended = False
    for token in _TOKEN.finditer(sql):
        if token.lastgroup == "space":
            continue
        if ended:
            return False
        ended = token.lastgroup == "end"
        # An unclosed quote or comment, and NUL, mean different things to different readers.
        if token.group() in ("'", '"', "`", "[", "\x00"):
            return False
        words.append(token.group().upper() if token.lastgroup == "word" else "")
    return bool(words) and words[0] in _FIRST and not _WRITING.intersection(words) and not _replaces(words)


def _replaces(words: list[str]) -> bool:
    # replace() is also a function.
    return any(word == "REPLACE" and then == "INTO" for word, then in pairwise(words))
