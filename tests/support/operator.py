"""The operator's terminal: `python -m auth_server …`, over the store of a running server."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.auth_server.deployment import ENCRYPTION_KEY, ISSUER

Ended = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Operator:
    """Runs one group of commands, in a folder without `.env`."""

    group: str
    redis_url: str
    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    async def __call__(self, *arguments: str, typed: str = "", **settings: str) -> Ended:
        """Return how a command ended; `typed` is its standard input."""
        return await asyncio.to_thread(self._run, arguments, typed, settings)

    async def json(self, *arguments: str, **settings: str) -> Any:
        """Return what a command that succeeds prints as JSON."""
        ended = await self(*arguments, "--json", **settings)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    def _run(self, arguments: tuple[str, ...], typed: str, settings: Mapping[str, str]) -> Ended:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parent.parent.parent),
            "REDIS_URL": self.redis_url,
            "OAUTH_ENCRYPTION_KEY": ENCRYPTION_KEY,
            "OAUTH_ISSUER_URL": ISSUER,
            **self.settings,
            **settings,
        }
        return subprocess.run(
            [sys.executable, "-m", "auth_server", self.group, *arguments],
            env=environment,
            cwd=self.folder,
            input=typed,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
