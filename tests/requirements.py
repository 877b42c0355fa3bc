"""The requirements manifest: what standards and known attacks demand, each under an id that tests carry."""

import pytest


def requirement(*ids: str) -> pytest.MarkDecorator:
    """Mark a test as the proof of one or more requirements."""
    return pytest.mark.requirement(*ids)
