"""Lua scripts kept in files beside the repository that runs them."""

from importlib.resources import files

from redis.asyncio import Redis
from redis.commands.core import AsyncScript


def load_script(
    redis: Redis, package: str, name: str, *, prelude: str | None = None, allow_oom: bool = False
) -> AsyncScript:
    """Return the script `<name>.lua` of a package; it runs by digest, and is sent again if forgotten.

    Args:
        redis: the store's client.
        package: where the file is.
        name: the file's name without ending.
        prelude: another file of the package whose local functions the script uses.
        allow_oom: also runs when the store is full; for what takes rights away, and must not fail then.
    """
    source = _read(package, name)
    if prelude is not None:
        source = _read(package, prelude) + source
    # With the shebang a script on a cluster cannot touch a key of another hash slot, and a store that is full
    # or read-only refuses it before it has written anything.
    shebang = "#!lua flags=allow-oom\n" if allow_oom else "#!lua\n"
    script: AsyncScript = redis.register_script(shebang + source)
    return script


def _read(package: str, name: str) -> str:
    return files(package).joinpath(f"{name}.lua").read_text(encoding="utf-8")
