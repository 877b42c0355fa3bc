"""What docs/openapi.json says holds for requests that nobody thought of: schemathesis makes them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from dev.docs.openapi import openapi
from dev.replicas import replicate
from tests.requirements import requirement

pytestmark = pytest.mark.e2e

CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
    ignored_auth,
]
schema = schemathesis.openapi.from_dict(openapi())


@pytest.fixture(scope="module")
def issuer(database: Callable[[int], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with replicate(database(11), tmp_path_factory.mktemp("openapi"), auth=1, mcp=0) as running:
        yield running.issuer


@requirement("D2", "G127", "G128")
@schema.parametrize()
@settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_document_tells(case: schemathesis.Case, issuer: str) -> None:
    response = case.call(base_url=issuer)
    # A fault of the store is in the document; here the store is well.
    assert response.status_code != 503
    case.validate_response(response, checks=CHECKS)
