"""A Redis server in a container, for the tests: the same product and version that docker-compose.yml runs."""

import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from redis.exceptions import RedisError

from dev.local_store import CannotStartError, client_of

IMAGE: Final = "redis:8-alpine"
START_SECONDS: Final = 20.0
_ENGINE_SECONDS: Final = 5
_PULL_SECONDS: Final = 120
_DEFAULT_ENGINE: Final = "unix:///var/run/docker.sock"
_OWNER_LABEL: Final = "val-town-mcp-server.test-run"


@contextmanager
def serve() -> Iterator[str]:
    """Serve from a container on a free port of this computer; yields the URL of database 0.

    Raises:
        CannotStartError: no Docker Engine answers, or the image is not there and cannot be fetched, or the
            container does not answer.
    """
    # The reaper is a second image, which not every engine can fetch: we remove the container ourselves.
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    _check_engine()
    from docker.errors import DockerException
    from testcontainers.core.container import DockerContainer

    container = DockerContainer(IMAGE, command="redis-server --save '' --maxmemory-policy noeviction")
    container.with_kwargs(labels={_OWNER_LABEL: _owner()})
    engine = container.get_docker_client()
    container.ports = _published(engine.host())
    try:
        container.start()
        url = _first_to_answer(_urls(engine, container.get_container_id()))
    except (DockerException, OSError, RuntimeError, TimeoutError) as error:
        container.stop()
        raise CannotStartError(f"{IMAGE} cannot be used: {_first_line(error)}") from error
    try:
        yield url
    finally:
        container.stop()


def _check_engine() -> None:
    """Make sure that an engine answers and has the image, and remove what killed runs of ours left behind."""
    try:
        from docker.errors import DockerException, ImageNotFound
        from testcontainers.core.docker_client import DockerClient, get_docker_host
    except ImportError as error:
        raise CannotStartError("the package testcontainers is not installed") from error
    if not _listens(get_docker_host() or _DEFAULT_ENGINE):
        raise CannotStartError("no Docker Engine answers")
    try:
        client = DockerClient(timeout=_ENGINE_SECONDS).client
    except DockerException as error:
        raise CannotStartError("no Docker Engine answers") from error
    try:
        _remove_left_behind(client)
        try:
            client.images.get(IMAGE)
        except ImageNotFound:
            client.api.timeout = _PULL_SECONDS
            client.images.pull(*IMAGE.split(":"))
    except (DockerException, OSError) as error:
        raise CannotStartError(f"{IMAGE} cannot be used: {_first_line(error)}") from error
    finally:
        client.close()


def _listens(engine: str) -> bool:
    """Return whether something listens at a local engine's socket.

    The docker package can tell as well, but leaves the socket open when nothing does.
    """
    if not engine.startswith("unix://"):
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(engine.removeprefix("unix://")) == 0


def _published(engine_host: str) -> Any:
    """Publish the port to this computer only, if the engine runs here: the store has no password."""
    return {"6379/tcp": ("127.0.0.1", None) if engine_host == "localhost" else None}


def _urls(engine: Any, container_id: str) -> tuple[str, ...]:
    """Return where the container may be found.

    With an engine of this computer that is the published port, or, when we run in a container ourselves, the
    container's own address.
    """
    published = engine.port(container_id, 6379)
    if engine.host() != "localhost":
        return (f"redis://{engine.host()}:{published}/0",)
    return (f"redis://127.0.0.1:{published}/0", f"redis://{engine.bridge_ip(container_id)}:6379/0")


def _owner() -> str:
    return f"{socket.gethostname()}/{os.getpid()}"


def _remove_left_behind(client: Any) -> None:
    for container in client.containers.list(all=True, filters={"label": _OWNER_LABEL}):
        host, _, pid = container.labels[_OWNER_LABEL].rpartition("/")
        if host == socket.gethostname() and not _is_running(int(pid)):
            container.remove(force=True, v=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _first_to_answer(urls: Sequence[str]) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        for url in urls:
            with suppress(RedisError), client_of(url) as client:
                client.ping()
                return url
        time.sleep(0.02)
    raise TimeoutError(f"no answer within {START_SECONDS:.0f} seconds")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
