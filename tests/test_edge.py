"""What the edge of the containers keeps to itself."""

import re
from pathlib import Path

CADDYFILE = (Path(__file__).resolve().parent.parent / "Caddyfile").read_text(encoding="utf-8")


def test_the_edge_does_not_publish_metrics() -> None:
    # Caddy takes the most exact path that matches, and compares paths that are decoded and cleaned.
    block = re.search(r"\thandle /metrics \{\n(.*?)\n\t\}", CADDYFILE, re.DOTALL)
    assert block is not None
    assert block[1].split() == ["respond", "404"]
    assert "/metrics" not in CADDYFILE.replace(block[0], "")
