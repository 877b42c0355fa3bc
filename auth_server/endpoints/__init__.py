"""One file per URL: parse, call, respond. The rules are in `domain` and `grants`."""
