"""One line a fault for the terminal, and docs/reliability.md."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dev.docs.table import table

if TYPE_CHECKING:
    from dev.chaos.__main__ import Outcome
    from dev.chaos.people import Story

_KINDS = ("list", "call", "refresh", "revoke")

_INTRODUCTION = """\
# Reliability

`make chaos` breaks one thing at a time while clients go on, and writes this page. Everything is a real
process: a store with its data on disk, two replicas of each service, and a TCP link between each replica and
the store that can be slow, cut or silent. Four people call tools (`list` is `tools/list`, `call` is a tool
that asks Val Town) and refresh their tokens on all replicas in turn; other sessions are revoked meanwhile.

Whatever breaks, clients with good credentials may meet 503, or no answer, and nothing else: no 401,
`invalid_grant` or `invalid_client`. When it is over, every session goes on with the refresh token it holds,
and what was revoked with an acknowledgement stays revoked on every replica. A fault with another outcome
fails the run."""


def line(outcome: "Outcome") -> str:
    """Return one line."""
    fault, story = outcome.fault, outcome.story
    if outcome.skipped:
        return f"{fault.id:5}{fault.name:50} skipped: {outcome.skipped}"
    verdict = "held" if not outcome.problems else "NOT HELD"
    shares = " ".join(f"{kind} {story.share(kind):6.1%}" for kind in _KINDS)
    gap = _gap(story)
    return f"{fault.id:5}{fault.name:50}{shares}  out {gap:4.1f} s  back {story.recovered:4.1f} s  {verdict}"


def _gap(story: "Story") -> float:
    # Revocations are too few for it to mean something.
    return max((gap for kind, gap in story.gaps.items() if kind != "revoke"), default=0.0)


def document(outcomes: Sequence["Outcome"], store: str) -> str:
    """Return the page."""
    rows = [_row(outcome) for outcome in outcomes]
    header = ("", "what happens", "for", *_KINDS, "longest without", "back after", "lost")
    explained = (
        "The shares are of requests that succeeded from the beginning of the fault until seconds after its "
        "end; the rest was 503, no answer or, with Val Town gone, a tool's error. *Longest without* is the "
        "longest time in which no call or refresh succeeded, *back after* the time from the repair until the "
        f"last failure. *Lost* counts sessions and revocations. The store was {store}."
    )
    notice = "<!-- Made by `make chaos`. -->"
    return "\n\n".join([notice, _INTRODUCTION, table(header, rows), explained]) + "\n"


def _row(outcome: "Outcome") -> tuple[str, ...]:
    fault, story = outcome.fault, outcome.story
    if outcome.skipped:
        return (fault.id, fault.name, f"skipped: {outcome.skipped}", *[""] * (len(_KINDS) + 3))
    gap = _gap(story)
    return (
        fault.id,
        fault.name,
        f"{fault.seconds:g} s",
        *(f"{story.share(kind):.1%}" for kind in _KINDS),
        f"{gap:.1f} s",
        f"{story.recovered:.1f} s",
        "nothing" if not outcome.problems else "; ".join(outcome.problems),
    )
