"""The four lists: pages of what the caller's scopes open, written once for each set and revision."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from pydantic import BaseModel

from mcp_server.protocol.cursors import page_of
from mcp_server.protocol.encoding import Encoder
from mcp_server.protocol.features import Features
from mcp_server.protocol.versions import Revision

LIST_TTL: Final = 60_000
"""Milliseconds a client may keep a list: it changes when the person grants more."""

_KEPT_PAGES: Final = 256

_Key = tuple[str, frozenset[str], Revision, object]


class Lists:
    """Answers to `tools/list`, `resources/list`, `resources/templates/list` and `prompts/list`."""

    def __init__(self, features: Features, encoder: Encoder) -> None:
        """Take what there is to list."""
        self._encoder = encoder
        self._pages: dict[_Key, bytes] = {}
        tools, resources, prompts = features.tools, features.resources, features.prompts
        self._sources: Mapping[str, tuple[str, Callable[[frozenset[str]], Sequence[BaseModel]]]] = {
            "tools/list": ("tools", lambda scopes: [one.definition for one in tools.visible(scopes)]),
            "resources/list": (
                "resources",
                lambda scopes: [one.definition for one in resources.visible(scopes)],
            ),
            "resources/templates/list": (
                "resourceTemplates",
                lambda scopes: [one.definition for one in resources.visible(scopes, templates=True)],
            ),
            "prompts/list": ("prompts", lambda scopes: [one.definition for one in prompts.visible(scopes)]),
        }

    def page(self, method: str, scopes: frozenset[str], revision: Revision, cursor: object) -> bytes:
        """Return a page as a JSON result.

        Raises:
            ProtocolError: -32602, the cursor is none of ours.
        """
        key = (method, scopes, revision, cursor)
        kept = self._pages.get(key)
        if kept is None:
            # Made before room is: a cursor that is refused must not push anything out.
            kept = self._encode(method, scopes, revision, cursor)
            if len(self._pages) >= _KEPT_PAGES:
                self._pages.pop(next(iter(self._pages)))
            self._pages[key] = kept
        return kept

    def _encode(self, method: str, scopes: frozenset[str], revision: Revision, cursor: object) -> bytes:
        name, source = self._sources[method]
        items, following = page_of(source(scopes), cursor, of=method)
        written = [item.model_dump(mode="json", by_alias=True, exclude_none=True) for item in items]
        result: dict[str, object] = {name: written, "ttlMs": LIST_TTL}
        if following is not None:
            result["nextCursor"] = following
        return self._encoder.encode(method, revision, result)
