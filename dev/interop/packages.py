"""The clients, as PyPI and npm have them, installed once into `.run/interop`; offline after that."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

from dev.deployment import ROOT

FOLDER: Final = ROOT / ".run" / "interop"
_HERE: Final = Path(__file__).resolve().parent
_REQUIREMENTS: Final = ROOT / "requirements" / "interop.txt"
_LOCK: Final = _HERE / "package-lock.json"
_INSTALL_SECONDS: Final = 300


class ClientsMissingError(Exception):
    """The clients cannot be had here; the message says why."""


@dataclass(frozen=True, slots=True)
class Packages:
    """Where the clients are."""

    python: Path
    modules: Path

    @property
    def node(self) -> Path:
        """Node itself, of the version that all of them run on; npm has it as a package."""
        return self.modules / ".bin" / "node"

    def command(self, driver: str) -> list[str]:
        """Return the command that runs a file of `drivers`, by its suffix."""
        if driver.endswith(".py"):
            return [str(self.python), str(_HERE / "drivers" / driver)]
        # Node looks for packages from where a program lies.
        return [str(self.node), str(self.modules.parent / "drivers" / driver)]

    def version(self, package: str) -> str:
        """Return which version of a package is installed, with npm or else with pip."""
        manifest = self.modules / package / "package.json"
        if manifest.exists():
            return str(json.loads(manifest.read_text(encoding="utf-8"))["version"])
        path = [str(next((self.python.parent.parent / "lib").glob("python*/site-packages")))]
        return next(found.version for found in distributions(name=package, path=path))


def install() -> Packages:
    """Install what is not there yet.

    Raises:
        ClientsMissingError: pip or npm does not get it.
    """
    packages = Packages(FOLDER / "python" / "bin" / "python", FOLDER / "npm" / "node_modules")
    FOLDER.mkdir(parents=True, exist_ok=True)
    _install_python(packages.python)
    _install_npm(packages.modules.parent)
    return packages


def _install_python(python: Path) -> None:
    home = python.parent.parent
    if _is_current(home / ".installed", _REQUIREMENTS):
        return
    print("Installing the Python clients into an environment of their own …", flush=True)
    _run([sys.executable, "-m", "venv", "--clear", str(home)], FOLDER)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*install, "--require-hashes", "--requirement", str(_REQUIREMENTS)], FOLDER)
    shutil.copy(_REQUIREMENTS, home / ".installed")


def _install_npm(home: Path) -> None:
    home.mkdir(exist_ok=True)
    if not _is_current(home / ".installed", _LOCK):
        npm = shutil.which("npm")
        if npm is None:
            raise ClientsMissingError("npm is not on the PATH")
        print("Installing the clients that run on Node …", flush=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_HERE / name, home)
        # With install scripts: the one of `node` puts Node's own program in place.
        _run([npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"], home)
        shutil.copy(_LOCK, home / ".installed")
    shutil.copytree(_HERE / "drivers", home / "drivers", dirs_exist_ok=True)


def _is_current(mark: Path, wanted: Path) -> bool:
    return mark.exists() and mark.read_bytes() == wanted.read_bytes()


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise ClientsMissingError(f"{command[0]} did not finish within {_INSTALL_SECONDS} seconds") from None
    if done.returncode:
        raise ClientsMissingError(f"{' '.join(command[:4])} failed: {done.stderr.strip()[-500:]}")
