"""Small pictures as data URIs, our own: nothing is fetched to show them (MCP "Icons")."""

import base64
from typing import Final

from mcp_types import Icon


def _drawn(path: str) -> list[Icon]:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="none" stroke="#777" '
        f'stroke-width="1.5"><path d="{path}"/></svg>'
    )
    src = "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
    return [Icon(src=src, mime_type="image/svg+xml", sizes=["any"])]


SERVER: Final = _drawn("M2 3l5 10h2l5-10M5 3l3 6 3-6")
LOOK: Final = _drawn("M1 8q7-9 14 0q-7 9-14 0zM6 8a2 2 0 104 0a2 2 0 10-4 0z")
CHANGE: Final = _drawn("M3 13l1-4 7-7 3 3-7 7z")
REMOVE: Final = _drawn("M2 4h12M6 4V2h4v2M4 4l1 10h6l1-10")
READ: Final = _drawn("M3 2h7l3 3v9H3zM6 7h4M6 10h4")
TALK: Final = _drawn("M2 3h12v8H8l-3 3v-3H2z")
