"""What one line of the manifest says."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing a standard or a known attack demands.

    Attributes:
        source: where it comes from: RFC or draft with its section (§), or the id of an advisory.
        behaviour: what a black-box test sees when it is met.
        reason: why no test decides it, or what of it no test decides; empty when the tests say it all.
    """

    source: str
    behaviour: str
    reason: str = ""
