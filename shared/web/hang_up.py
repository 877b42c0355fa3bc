"""Whether somebody still waits for an answer."""

from starlette.types import Receive


def has_hung_up(receive: Receive) -> bool:
    """Return whether the client has closed its connection, as far as the server knows now.

    It is asked without letting the event loop run. Starlette asks the same with a cancel scope, for ten times
    the time. To be called when the body was read.
    """
    asking = receive().__await__()
    try:
        next(asking)
    except StopIteration as told:
        return bool(told.value["type"] == "http.disconnect")
    # It would wait, so there is nothing to tell.
    asking.close()
    return False
