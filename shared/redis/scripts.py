"""Lua scripts kept in files beside the repository that runs them."""

from importlib.resources import files

from redis.asyncio import Redis
from redis.commands.core import AsyncScript

_SHEBANG = "#!lua\n"


def load_script(redis: Redis, package: str, name: str, *, prelude: str | None = None) -> AsyncScript:
    """Return the script `<name>.lua` of a package; it runs by digest, and is sent again if forgotten.

    Args:
        redis: the store's client.
        package: where the file is.
        name: the file's name without ending.
        prelude: another file of the package whose local functions the script uses.
    """
    source = _read(package, name)
    if prelude is not None:
        source = _read(package, prelude) + source
    # With the shebang, touching a key of another hash slot is always an error, not just on a cluster.
    script: AsyncScript = redis.register_script(_SHEBANG + source)
    return script


def _read(package: str, name: str) -> str:
    text = files(package).joinpath(f"{name}.lua").read_text(encoding="utf-8")
    return text.removeprefix(_SHEBANG)
