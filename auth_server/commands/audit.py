"""`python -m auth_server audit`: whether the audit log is as it was written, and what it says of a grant."""

import fcntl
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from redis.asyncio import Redis

from auth_server.commands.output import ANY_ID, AsJson, print_json, print_table, printable
from auth_server.commands.session import audited, end, load_settings, with_store
from auth_server.settings import AuthSettings
from shared.audit.chain import ChainKey
from shared.audit.files import Head
from shared.audit.heads import HeadStore
from shared.audit.reading import Keys, Problem, Report, check, check_together, files_in, read
from shared.clock import Clock
from shared.redis.client import StoreError
from shared.sealing import UnknownKeyError
from shared.strict_json import InvalidJsonError, load_object

command = typer.Typer(help="The audit log: verify, trace a grant, digest arguments, prune.")

Folder = Annotated[Path | None, typer.Argument(help="The folder; AUDIT_LOG_DIR otherwise.")]
_DAY = 86_400
_FILES_A_RECORD = 32


@command.command()
def verify(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="A folder, or files; AUDIT_LOG_DIR otherwise.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that no record was changed, removed, added or moved. The status is 1 when something is wrong.

    The ends of files, and files that are gone, are held against what the store knows, if it answers.
    """
    settings = load_settings()
    folder = paths[0] if paths and len(paths) == 1 and paths[0].is_dir() else None
    whole = not paths or folder is not None
    # First: files grow, and new ones come, while they are read.
    heads = with_store(_heads)
    files = _files(settings, folder) if whole else list(paths or ())
    keys = Keys(settings.sealer)
    reports = [check(path, keys, (heads or {}).get(path.name)) for path in files]
    problems = [problem for report in reports for problem in report.problems]
    problems += check_together(reports, heads, whole=whole)
    if as_json:
        print_json(
            {
                "ok": not problems,
                "store_compared": heads is not None,
                "files": [_described(report) for report in reports],
                "problems": [asdict(problem) for problem in problems],
            }
        )
    else:
        _print_reports(reports, problems, compared=heads is not None)
    raise SystemExit(1 if problems else 0)


@command.command(context_settings=ANY_ID)
def trace(
    grant_id: Annotated[str, typer.Argument(help="The grant's id, as `grants list` shows it.")],
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Show every record of a grant, of both services, by time, with the attempt that it came from."""
    settings = load_settings()
    files, keys = _files(settings, folder), Keys(settings.sealer)
    # Before the consent nobody knew of a grant: those records are found by the attempt.
    flows = {
        record["flow"]
        for record, _ in _records(files, keys)
        if record.get("grant_id") == grant_id and "flow" in record
    }
    found = [
        (record, genuine)
        for record, genuine in _records(files, keys)
        if record.get("grant_id") == grant_id or (record.get("flow") in flows and "grant_id" not in record)
    ]
    found.sort(key=lambda each: (str(each[0].get("at")), str(each[0].get("replica")), each[0].get("seq", 0)))
    if not found:
        end(f"No record names the grant {grant_id}.", status=1)
    if as_json:
        print_json([{**record, "genuine": genuine} for record, genuine in found])
        return
    headings = ("time (UTC)", "service", "what", "outcome", "reason", "name", "scopes", "request", "")
    print_table(headings, [_row(record, genuine=genuine) for record, genuine in found])


@command.command()
def digest(
    file: Annotated[Path, typer.Argument(help="A JSON object: the arguments of a call. - reads them here.")],
    as_json: AsJson = False,
) -> None:
    """Show the digest that a record has of these arguments, with each encryption key that is here."""
    settings = load_settings()
    try:
        text = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        arguments = load_object(text)
    except (OSError, InvalidJsonError) as error:
        end(f"{file} cannot be read as a JSON object: {error}.", status=1)
    sealer = settings.sealer
    digests = {key_id: ChainKey(sealer, key_id).digest(arguments) for key_id in sorted(sealer.key_ids)}
    if as_json:
        print_json(digests)
    else:
        print_table(("key id", "arguments"), list(digests.items()))


@command.command()
def prune(
    days: Annotated[int, typer.Option("--days", min=1, metavar="N", help="Written last so long ago.")],
    folder: Folder = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove whole files that nobody has written to for N days; a record of the log says which."""
    settings = load_settings()
    keys, before = Keys(settings.sealer), Clock().now() - days * _DAY
    files = _files(settings, folder)
    old = {path.name for path in files if path.stat().st_mtime < before and _is_left(path)}
    every = [check(path, keys) for path in files]
    reports = [report for report in every if report.name in old and not report.problems]
    names = [report.name for report in reports]
    ends = _ends(reports, [report for report in every if report.name not in names])
    if reports and not dry_run:
        where = folder or Path(settings.audit_log_dir)

        async def remove(settings: AuthSettings, redis: Redis) -> None:
            async with audited(settings, redis, where) as audit:
                for start in range(0, len(ends), _FILES_A_RECORD):
                    audit.note_pruned(dict(ends[start : start + _FILES_A_RECORD]))
            for name in names:
                (where / name).unlink()
            with suppress(StoreError):
                await HeadStore(redis, Clock()).forget(names)

        with_store(remove)
    spoilt = sorted(old - {*names})
    removed = [] if dry_run else names
    if as_json:
        print_json({"old": sorted(old), "removed": removed, "kept": spoilt})
        return
    for name in names:
        typer.echo(name)
    for name in spoilt:
        typer.echo(f"Kept, because it is not as it was written: {name}", err=True)
    typer.echo(f"Removed: {len(removed)} of {len(old)}")


def _files(settings: AuthSettings, folder: Path | None) -> list[Path]:
    where = folder or Path(settings.audit_log_dir)
    if folder is None and not settings.audit_log_dir:
        end("Name a folder: AUDIT_LOG_DIR is not set, so no log is kept here.", status=2)
    try:
        return files_in(where)
    except OSError as error:
        end(f"{where} cannot be read: {error.strerror}.", status=1)


async def _heads(_settings: AuthSettings, redis: Redis) -> Mapping[str, Head] | None:
    try:
        return await HeadStore(redis, Clock()).read()
    except (StoreError, OSError):
        return None


def _records(files: Sequence[Path], keys: Keys) -> Iterator[tuple[dict[str, Any], bool]]:
    for path in files:
        try:
            for line in read(path, keys):
                if line.members is not None:
                    yield {**line.members, "file": path.name}, line.is_genuine
        except (UnknownKeyError, OSError) as error:
            typer.echo(f"{path.name} is left out: {error}", err=True)


def _is_left(path: Path) -> bool:
    """Return whether no process writes a file any more."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def _ends(removed: Sequence[Report], kept: Sequence[Report]) -> list[tuple[str, Head]]:
    """Return the ends of files to be removed, and of those removed before that a file still goes on with."""
    ends = {report.name: report.last for report in removed if report.last is not None}
    needed = {report.previous[0] for report in kept if report.previous is not None}
    for report in removed:
        ends |= {name: head for name, head in report.pruned.items() if name in needed}
    return sorted(ends.items())


def _described(report: Report) -> Mapping[str, object]:
    return {
        "file": report.name,
        "records": report.records,
        "missing": report.missing,
        "state": report.state,
        "problems": len(report.problems),
    }


def _print_reports(reports: Sequence[Report], problems: Sequence[Problem], *, compared: bool) -> None:
    rows = [
        (report.name, str(report.records), str(report.missing), report.state, _verdict(report, problems))
        for report in reports
    ]
    print_table(("file", "records", "missing", "state", "result"), rows)
    typer.echo()
    for problem in problems:
        where = f"{problem.file}, line {problem.line}" if problem.line else problem.file
        typer.echo(printable(f"{where}: {problem.what}."))
    if missing := sum(report.missing for report in reports):
        typer.echo(f"The log itself says that {missing} records could not be written.")
    if not compared:
        typer.echo("The store does not answer: that no end and no whole file is missing was not checked.")
    if not problems:
        typer.echo("Every record is as it was written.")


def _verdict(report: Report, problems: Sequence[Problem]) -> str:
    return "wrong" if any(problem.file == report.name for problem in problems) else "ok"


def _row(record: Mapping[str, Any], *, genuine: bool) -> tuple[str, ...]:
    names = ("at", "service", "event", "outcome", "reason", "name", "scopes", "request_id")
    return (*(str(record.get(name, "")) for name in names), "" if genuine else "CHANGED")
