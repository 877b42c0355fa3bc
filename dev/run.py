"""`make run`: start a store, the sandbox and both services, say where they are, and stop them together."""

import fcntl
import hashlib
import http.client
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NoReturn

from dev.banner import banner
from dev.environment import Plan, RefusedError, effective, ensure_env_file, make_plan
from dev.processes import Child, is_free, start, stop
from dev.store import NoStoreError, Store, open_store

ROOT: Final = Path(__file__).resolve().parent.parent
READY_SECONDS: Final = 30.0
_RUN: Final = Path(".run")
_ENV_FILE: Final = Path(".env")


def main() -> int:
    """Run until Ctrl-C or SIGTERM (exit status 0), or until something fails (1)."""
    os.chdir(ROOT)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    stack = ExitStack()
    try:
        _run(stack)
    except KeyboardInterrupt:
        _say("\nStopping.")
        return 0
    except (RefusedError, NoStoreError) as error:
        _say(f"\n{error}")
        return 1
    finally:
        # Whoever presses Ctrl-C twice must not leave half of it running.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        stack.close()


def _run(stack: ExitStack) -> NoReturn:
    _RUN.mkdir(mode=0o700, exist_ok=True)
    stack.enter_context(_only_one(_RUN / "lock"))
    plan = make_plan(os.environ, _ENV_FILE)
    _check_ports(plan)
    _say("Starting the Val Town MCP server.\n")
    if done := ensure_env_file(_ENV_FILE, os.environ):
        _say(f"  .env     {done}")
    for note in plan.notes:
        _say(f"  note     {note}")
    store = _open_store(stack)
    children = [] if store.child is None else [store.child]
    children += _start_services(stack, plan, store)
    _say(banner(plan))
    _watch(children)


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Hold the lock of this checkout; the kernel lets go of it however we end."""
    with path.open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            pid = lock.read().strip()
            raise RefusedError(
                f"`make run` is running already in this folder (process {pid}). Stop it first with Ctrl-C."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _check_ports(plan: Plan) -> None:
    for name, port in plan.ports().items():
        if not is_free(port):
            raise RefusedError(
                f"Port {port} is in use by another program; choose another one: make run {name}={port + 1}"
            )


def _open_store(stack: ExitStack) -> Store:
    folder = _RUN / "store"
    values = effective(os.environ, _ENV_FILE)
    if moved := _set_aside_if_sealed_with_another_key(folder, values):
        _say(f"  store    the data of an earlier OAUTH_ENCRYPTION_KEY is now in {moved}")
    began = time.monotonic()
    store = stack.enter_context(open_store(values, folder))
    _say(f"  store    {store.description} … ready ({time.monotonic() - began:.1f} s)")
    return store


def _set_aside_if_sealed_with_another_key(folder: Path, values: Mapping[str, str]) -> Path | None:
    """Move a store aside that the services would refuse, because they could not unseal what is in it."""
    mark = folder / "key.sha256"
    key = _mark_of(values.get("OAUTH_ENCRYPTION_KEY", ""))
    older = [_mark_of(one.strip()) for one in values.get("OAUTH_DECRYPTION_KEYS", "").split(",")]
    moved = None
    if mark.is_file() and mark.read_text(encoding="ascii") not in (key, *older):
        moved = folder.with_name(f"{folder.name}-{time.strftime('%Y%m%d-%H%M%S')}")
        folder.rename(moved)
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text(key, encoding="ascii")
    return moved


def _mark_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _start_services(stack: ExitStack, plan: Plan, store: Store) -> list[Child]:
    settings = {
        **plan.settings,
        "REDIS_URL": store.url,
        "SANDBOX_DATA_DIR": str((_RUN / "sandbox").resolve()),
        "AUDIT_LOG_DIR": effective(os.environ, _ENV_FILE).get("AUDIT_LOG_DIR")
        or str((_RUN / "audit").resolve()),
    }
    wanted = [
        ("auth", "auth_server", plan.auth_port, "/readyz", plan.issuer),
        ("mcp", "mcp_server", plan.mcp_port, "/readyz", plan.resource),
    ]
    if plan.with_sandbox:
        wanted.insert(0, ("sandbox", "mcp_server.sandbox", plan.sandbox_port, "/healthz", plan.val_town))
    children: list[Child] = []
    stack.callback(stop, children)
    for name, module, *_ in wanted:
        log = _RUN / "logs" / f"{name}.log"
        children.append(start(name, [sys.executable, "-m", module], log, settings))
    began = time.monotonic()
    for child, (name, _, port, path, url) in zip(children, wanted, strict=True):
        print(f"  {name:<8} {url} … ", end="", flush=True)
        _wait_until_ready(child, port, path, children)
        _say(f"ready ({time.monotonic() - began:.1f} s)")
    return children


def _wait_until_ready(child: Child, port: int, path: str, all_of_them: Sequence[Child]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while _status(port, path) != http.client.OK:
        _refuse_if_any_ended(all_of_them)
        if time.monotonic() > deadline:
            raise RefusedError(
                f"{child.name} is not ready after {READY_SECONDS:.0f} seconds. "
                f"The end of {child.log}:\n{child.last_lines()}"
            )
        time.sleep(0.05)


def _status(port: int, path: str) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _watch(children: Sequence[Child]) -> NoReturn:
    while True:
        _refuse_if_any_ended(children)
        time.sleep(0.2)


def _refuse_if_any_ended(children: Sequence[Child]) -> None:
    for child in children:
        if child.has_ended():
            raise RefusedError(
                f"{child.name} ended by itself (exit status {child.process.returncode}), so everything is "
                f"stopped. The end of {child.log}:\n{child.last_lines()}"
            )


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
