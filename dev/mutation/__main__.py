"""`make mutation`: break the rules one change at a time, and see whether a test notices.

One store serves the whole run, so that not every mutant has to wait for one to start.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from dev.store import describe, open_test_store

_WORK = Path("mutants")
_MUTMUT = [sys.executable, "-c", "import sys; from mutmut.__main__ import cli; sys.exit(cli())"]
_NICENESS = 10
_KILLED = ("killed", "timeout")
_GRANT_TESTS = (
    "test_rfc9700_refresh_rotation",
    "test_rfc6749_token_endpoint",
    "test_rfc7636_pkce",
    "test_client_life",
    "test_admission",
    "test_rfc8707_resource_indicators",
)
_FOR_GRANTS = (
    ('only_mutate = ["auth_server/domain/*"]', 'only_mutate = ["auth_server/grants/*"]'),
    (
        'test_selection = ["tests/unit"]',
        f"test_selection = {[f'tests/auth_server/{name}.py' for name in _GRANT_TESTS]}",
    ),
)
_LINE = re.compile(r"^\s+(?P<mutant>[\wǁ.]+): (?P<verdict>[\w ]+)$", re.M)


def main(
    only: Annotated[str, typer.Option(help="One module, as auth_server.domain.pkce; none means all.")] = "",
    survivors: Annotated[
        bool,
        typer.Option("--survivors", help="Only try again what survived the last run, with the tests of now."),
    ] = False,
    grants: Annotated[
        bool, typer.Option("--grants", help="auth_server/grants instead, with the tests of a running server.")
    ] = False,
    at_least: Annotated[
        float, typer.Option(help="Fail below this share of killed mutants, in percent.")
    ] = 90,
) -> None:
    """Mutate auth_server/domain; print the survivors and the share that was killed."""
    if grants:
        raise typer.Exit(_mutate_grants(at_least))
    os.nice(_NICENESS)
    if survivors:
        wanted = _alive(_verdicts())
    else:
        shutil.rmtree(_WORK, ignore_errors=True)
        # Named even when it is all of them: mutmut then tries first whether the tests can be called by name.
        wanted = [f"{only or 'auth_server'}.*"]
    if wanted or not survivors:
        _run(wanted)
    verdicts = _verdicts()
    for mutant in _alive(verdicts):
        typer.echo(f"\n{verdicts[mutant]}\n{_output('show', mutant)}")
    share = _report(verdicts)
    raise typer.Exit(0 if share >= at_least else 1)


def _mutate_grants(at_least: float) -> int:
    """Run again in a copy of the tree whose settings name the grants and the tests of the token endpoint."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "tree")
        shutil.copytree(Path.cwd(), copy, ignore=shutil.ignore_patterns(".git", ".venv", ".run", "mutants"))
        settings = copy / "pyproject.toml"
        text = settings.read_text(encoding="utf-8")
        for of_the_rules, of_the_grants in _FOR_GRANTS:
            if of_the_rules not in text:
                raise RuntimeError(f"pyproject.toml does not say {of_the_rules} any more")
            text = text.replace(of_the_rules, of_the_grants)
        settings.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "dev.mutation", "--at-least", str(at_least)]
        return subprocess.run(command, cwd=copy).returncode


def _run(wanted: Sequence[str]) -> None:
    with open_test_store() as store:
        typer.echo(describe(store))
        environ = {**os.environ, "TEST_REDIS_URL": store.url}
        run = subprocess.run([*_MUTMUT, "run", "--max-children", "1", *wanted], env=environ)
    if run.returncode:
        raise typer.Exit(run.returncode)


def _alive(verdicts: Mapping[str, str]) -> list[str]:
    return [mutant for mutant, verdict in verdicts.items() if verdict not in (*_KILLED, "not checked")]


def _verdicts() -> dict[str, str]:
    """Return what became of each mutant of the run, in mutmut's words."""
    return {
        found["mutant"]: found["verdict"] for found in _LINE.finditer(_output("results", "--all", "true"))
    }


def _report(verdicts: Mapping[str, str]) -> float:
    """Print how many mutants were killed by module and altogether, and return the share in percent.

    A mutant that runs into its time limit counts as killed; one that no test reaches does not.
    """
    tried: Counter[str] = Counter()
    killed: Counter[str] = Counter()
    for mutant, verdict in verdicts.items():
        if verdict != "not checked":
            module = mutant.rpartition(".")[0]
            tried[module] += 1
            killed[module] += verdict in _KILLED
    for module in sorted(tried):
        typer.echo(f"{module:45} {killed[module]:5} of {tried[module]:5}")
    share = 100 * killed.total() / max(tried.total(), 1)
    typer.echo(f"{share:.1f} % of {tried.total()} mutants killed ({dict(Counter(verdicts.values()))})")
    return share


def _output(*arguments: str) -> str:
    run = subprocess.run([*_MUTMUT, *arguments], check=True, capture_output=True, text=True)
    return run.stdout


if __name__ == "__main__":
    typer.run(main)
