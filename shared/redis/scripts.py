"""Lua scripts kept in files beside the repository that runs them."""

from importlib.resources import files

from redis.asyncio import Redis
from redis.commands.core import AsyncScript

from shared.redis.measured import SCRIPT_NAMES


def load_script(
    redis: Redis, package: str, name: str, *, prelude: str | tuple[str, ...] = (), allow_oom: bool = False
) -> AsyncScript:
    """Return the script `<name>.lua` of a package; it runs by digest, and is sent again if forgotten.

    Args:
        redis: the store's client.
        package: where the file is.
        name: the file's name without ending.
        prelude: other files of the package whose local functions the script uses, in this order.
        allow_oom: also runs when the store is full; for what takes rights away, and must not fail then.
    """
    preludes = (prelude,) if isinstance(prelude, str) else prelude
    source = "".join(_read(package, part) for part in (*preludes, name))
    # With the shebang a script on a cluster cannot touch a key of another hash slot, and a store that is full
    # or read-only refuses it before it has written anything.
    shebang = "#!lua flags=allow-oom\n" if allow_oom else "#!lua\n"
    script: AsyncScript = redis.register_script(shebang + source)
    SCRIPT_NAMES[script.sha] = name
    return script


def _read(package: str, name: str) -> str:
    return files(package).joinpath(f"{name}.lua").read_text(encoding="utf-8")
