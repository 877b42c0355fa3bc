"""Where peers and profiler live: environments of their own under `.run/bench`, filled when first used."""

import shutil
import subprocess
import venv
from pathlib import Path
from typing import Final

from dev.bench.load import BenchError
from dev.deployment import ROOT

KEPT: Final = Path(".run/bench")
"""Where environments and results are kept, seen from the project's folder."""

OIDC_PROVIDER: Final = "9.11.4"
_REQUIREMENTS: Final = ROOT / "requirements" / "bench.txt"
_OIDC_SCRIPT: Final = ROOT / "dev" / "bench" / "peers" / "oidc_provider.mjs"


def peer_python(folder: Path) -> Path:
    """Return the Python of the peers' environment, made when it is missing or older than its requirements.

    Raises:
        BenchError: it cannot be installed.
    """
    home = folder / "peer"
    python = home / "bin" / "python"
    done = home / ".installed"
    if not done.exists() or done.stat().st_mtime < _REQUIREMENTS.stat().st_mtime:
        print("Installing FastMCP, the SDK and py-spy into an environment of their own …", flush=True)
        venv.create(home, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        install += ["--no-warn-script-location", "--require-hashes", "--requirement", str(_REQUIREMENTS)]
        if subprocess.run(install, check=False, capture_output=True).returncode:
            raise BenchError("FastMCP could not be installed; leave it out with --without-peers")
        done.touch()
    return python


def node_home(folder: Path) -> Path:
    """Return the folder with oidc-provider and its script, filled when it is missing.

    Raises:
        BenchError: it cannot be installed.
    """
    home = folder / "node"
    home.mkdir(exist_ok=True)
    if not (home / "node_modules" / "oidc-provider").exists():
        print("Installing oidc-provider …", flush=True)
        install = [tool("npm"), "install", "--no-audit", "--no-fund", f"oidc-provider@{OIDC_PROVIDER}"]
        (home / "package.json").write_text('{"private": true, "type": "module"}\n', encoding="utf-8")
        if subprocess.run(install, check=False, capture_output=True, cwd=home).returncode:
            raise BenchError("oidc-provider could not be installed; leave it out with --without-peers")
    shutil.copy(_OIDC_SCRIPT, home)
    return home


def tool(name: str) -> str:
    """Return where a program is.

    Raises:
        BenchError: it is not installed.
    """
    found = shutil.which(name)
    if found is None:
        raise BenchError(f"{name} is not installed; leave out what needs it with --without-peers")
    return found
