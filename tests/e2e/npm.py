"""Packages from npm, installed once into `.run/`."""

import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / ".run" / "npm"


def installed(package: str, version: str, entry: str) -> Path:
    """Return a file of a package; skips the test, with the reason, where it cannot be installed."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node and npm are not installed")
    folder = FOLDER / f"{package.replace('/', '-').removeprefix('@')}-{version}"
    file = folder / "node_modules" / package / entry
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund"]
        try:
            done = subprocess.run(
                [*command, f"{package}@{version}"], capture_output=True, text=True, timeout=180, check=False
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"npm did not install {package} within three minutes")
        if done.returncode:
            pytest.skip(f"npm cannot install {package}: {done.stderr.strip()[-200:]}")
    return file
