"""Rules of the house that no other tool checks: the words in the tree, the images, the pinned sets."""

import os
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
SETS = ("auth", "auth-otel", "mcp", "mcp-otel", "dev", "interop", "bench")
# Put together here, so that this file does not contain what it looks for.
REGISTRIES = ("pypi" + ".org", "python" + "hosted.org", "npmjs" + ".org", "docker" + ".io", "ghcr" + ".io")
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:work|root|home/\w+|Users/\w+)(?![\w-])")
MADE_HERE = {
    ".git",
    ".venv",
    ".run",
    ".env",
    ".hypothesis",
    "build",
    "dist",
    "htmlcov",
    "mutants",
    "node_modules",
    "__pycache__",
}


def _texts() -> Iterator[tuple[Path, str]]:
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in MADE_HERE and not name.endswith("_cache")]
        for name in files:
            path = Path(folder, name)
            if name in MADE_HERE or name.startswith(".coverage"):
                continue
            try:
                yield path.relative_to(ROOT), path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue


def test_no_file_names_the_host_of_a_package_registry() -> None:
    assert [(str(path), host) for path, text in _texts() for host in REGISTRIES if host in text] == []


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    here = Path(__file__).resolve().relative_to(ROOT)
    found = [(str(path), MACHINE_PATH.findall(text)) for path, text in _texts() if path != here]
    assert [entry for entry in found if entry[1]] == []


@pytest.mark.parametrize(("folder", "pinned"), [("auth_server", "auth"), ("mcp_server", "mcp")])
def test_an_image_takes_its_own_folder_and_shared_and_nothing_else(folder: str, pinned: str) -> None:
    lines = (ROOT / folder / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copies = [line.split()[1:-1] for line in lines if line.startswith(("COPY", "ADD"))]
    from_here = {source for sources in copies if not sources[0].startswith("--from=") for source in sources}
    assert from_here == {f"{folder}/", "shared/", "requirements/${PINNED}.txt"}
    assert f"ARG PINNED={pinned}" in lines
    assert [line for line in lines if line.startswith("USER")][-1] == "USER 10001:10001"


@pytest.mark.parametrize("name", SETS)
def test_the_pinned_sets_carry_hashes_and_no_address(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    entries = [entry for entry in re.split(r"\n(?=\S)", text.strip()) if entry]
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry
    assert "://" not in text


@pytest.mark.parametrize("name", SETS)
def test_the_pinned_sets_are_what_pyproject_asks_for(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    pinned = {
        canonicalize_name(found): number
        for found, number in re.findall(r"^([\w.-]+)==([^ ;\\]+)", text, re.M)
    }
    wanted = [need for extra in name.split("-") for need in _wanted(extra)]
    missing = [str(need) for need in wanted if pinned.get(canonicalize_name(need.name)) is None]
    too_old = [
        str(need) for need in wanted if not need.specifier.contains(pinned[canonicalize_name(need.name)])
    ]
    assert (missing, too_old) == ([], [])


def _wanted(name: str) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needs = [Requirement(line) for line in project["optional-dependencies"][name]]
    own = [need for need in needs if need.name == project["name"]]
    nested = [deeper for need in own for extra in need.extras for deeper in _wanted(extra)]
    return [need for need in needs if need not in own] + nested


def test_the_tests_run_with_what_is_pinned() -> None:
    text = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    for package in ("fastapi", "pydantic", "redis", "joserfc", "mcp-types"):
        assert f"{package}=={version(package)} " in text


def test_every_test_file_has_a_name_of_its_own() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
