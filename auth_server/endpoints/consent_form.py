"""What a person filled in on the consent page."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from auth_server.models import UserSession
from auth_server.person_vals import PersonVals, UnknownValError
from shared.oauth.authorization_details import MAX_VALS, is_val_id
from shared.policy import SCOPES

# One field name for each box: a form may not repeat a parameter.
SCOPE_FIELD: Final = "scope."
VAL_FIELD: Final = "val."
REMEMBER_FIELD: Final = "remember"
LIMIT_FIELD: Final = "limit"
NAMES_FIELD: Final = "more_vals"

_MOST_NAMES: Final = 10
_LONGEST: Final = 1024
_NAME: Final = re.compile(r"@?([A-Za-z0-9_][A-Za-z0-9_.\-]{0,63})/([A-Za-z][A-Za-z0-9_\-]{0,63})")


class ChoiceError(Exception):
    """What was filled in cannot be taken; the sentence is for the person."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The scopes left ticked, and the vals the person wants the app kept to.

    Attributes:
        scopes: fine scopes.
        limited: whether only the vals named are meant; otherwise those ticked meanwhile do not count.
        vals: ids of the vals that are ticked.
        names: others as they were written, `owner/name` between commas.
        remember: whether the same request shall not be asked about again.
    """

    scopes: frozenset[str] = frozenset(SCOPES)
    limited: bool = False
    vals: frozenset[str] = frozenset()
    names: str = ""
    remember: bool = False

    @classmethod
    def of(cls, form: Mapping[str, str]) -> "Choice":
        """Return what a form says."""
        given = (name.removeprefix(VAL_FIELD) for name in form if name.startswith(VAL_FIELD))
        return cls(
            scopes=frozenset(name for name in SCOPES if f"{SCOPE_FIELD}{name}" in form),
            limited=LIMIT_FIELD in form,
            vals=frozenset(val_id for val_id in given if is_val_id(val_id)),
            names=form.get(NAMES_FIELD, "")[:_LONGEST],
            remember=REMEMBER_FIELD in form,
        )

    async def chosen_vals(self, vals: PersonVals, session: UserSession) -> tuple[str, ...]:
        """Return the ids of the vals the grant is limited to; none: it is not limited.

        Raises:
            ChoiceError: none is chosen, too many are, or one that is named is not there.
            TemporarilyUnavailable: Val Town did not answer.
        """
        if not self.limited:
            return ()
        chosen = set(self.vals)
        written = [name for name in re.split(r"[\s,]+", self.names) if name]
        if len(written) > _MOST_NAMES:
            raise ChoiceError(f"Name at most {_MOST_NAMES} further vals.")
        for name in written:
            chosen.add(await _find(vals, session, name))
        if not chosen:
            raise ChoiceError("Choose at least one val, or untick the limit.")
        if len(chosen) > MAX_VALS:
            raise ChoiceError(f"Choose at most {MAX_VALS} vals.")
        return tuple(sorted(chosen))


async def _find(vals: PersonVals, session: UserSession, name: str) -> str:
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise ChoiceError(f"Write further vals as owner/name; {name[:80]} is none.")
    try:
        return (await vals.find(session, parts[1], parts[2])).id
    except UnknownValError as error:
        raise ChoiceError(f"There is no val {error.name} that you can see.") from None
