"""A client's word is not enough: the wire must show what it says. And the page says both."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dev.interop import evidence, report
from dev.interop.evidence import Seen, UnprovedError
from dev.interop.foreign import ForeignServer, Verdict
from dev.interop.matrix import CLIENTS, Case, Registration, cases, quick_cases
from dev.interop.packages import Packages
from dev.interop.phases import REPLICAS, Finding, Phase, Result
from dev.mcp_messages import HANDSHAKE, MODERN
from dev.round_robin import Exchange

CASE = Case(CLIENTS[0], Registration.DYNAMIC, HANDSHAKE)
CHALLENGE = 'Bearer resource_metadata="http://x", scope="read"'
INITIALIZE = {"method": "initialize", "params": {"protocolVersion": HANDSHAKE}}


def exchange(
    method: str,
    path: str,
    status: int = 200,
    *,
    body: str = "",
    challenge: str = "",
    replica: int = 0,
    scope: str = "",
    **headers: str,
) -> Exchange:
    answer = {"www-authenticate": challenge} if challenge else {}
    return Exchange(replica, method, path, {"scope": scope}, headers, body.encode(), status, answer)


REFUSED = exchange("POST", "/mcp", 401, body="{}", challenge=CHALLENGE)
METADATA = exchange("GET", "/.well-known/oauth-authorization-server")
REGISTERED = exchange("POST", "/oauth/register", 201)
ASKED = exchange("GET", "/oauth/authorize", 303, scope="read user:read")
REDEEMED = exchange("POST", "/oauth/token", body="grant_type=authorization_code&client_id=abc")
REFRESHED = exchange("POST", "/oauth/token", body="grant_type=refresh_token&client_id=abc")
ANSWERED = exchange("POST", "/mcp", body=json.dumps(INITIALIZE))
LACKS = exchange("POST", "/mcp", 403, challenge='Bearer error="insufficient_scope"')
REVOKED = exchange("POST", "/mcp", 401, challenge='Bearer error="invalid_token"')

CONNECTED = (REFUSED, METADATA, REGISTERED, REDEEMED, ANSWERED)
Check = Callable[[Seen], None]


def connected(seen: Seen) -> None:
    evidence.connected(seen, CASE, None)


@pytest.mark.parametrize(
    ("check", "shown"),
    [
        (connected, CONNECTED),
        (evidence.refreshed, (REFRESHED,)),
        (evidence.stepped_up, (LACKS, ASKED, REDEEMED)),
        (evidence.authorized_again, (REVOKED, REDEEMED)),
    ],
)
def test_each_part_of_what_a_phase_claims_is_needed(check: Check, shown: tuple[Exchange, ...]) -> None:
    check(Seen(shown))
    for missing in shown:
        with pytest.raises(UnprovedError):
            check(Seen([one for one in shown if one is not missing]))


def test_asking_the_person_again_is_no_refresh() -> None:
    with pytest.raises(UnprovedError, match="asked again"):
        evidence.refreshed(Seen((REFRESHED, ASKED)))


def test_a_known_client_neither_registers_nor_comes_as_another() -> None:
    known = Case(CLIENTS[0], Registration.PRE_REGISTERED, HANDSHAKE)
    quiet = tuple(one for one in CONNECTED if one is not REGISTERED)
    evidence.connected(Seen(quiet), known, "abc")
    with pytest.raises(UnprovedError, match="though it was known"):
        evidence.connected(Seen(CONNECTED), known, "abc")
    with pytest.raises(UnprovedError, match="another client_id"):
        evidence.connected(Seen(quiet), known, "xyz")


def test_a_client_id_is_found_in_basic_credentials_too() -> None:
    basic = exchange("POST", "/oauth/token", authorization="Basic aHR0cHMlM0ElMkYlMkZ4OnNlY3JldA==")
    assert evidence.client_of(basic) == "https://x"
    assert evidence.client_of(REFUSED) is None


def test_an_era_is_told_by_its_first_message_or_its_header() -> None:
    modern = exchange("POST", "/mcp", body="{}", **{"mcp-protocol-version": MODERN})
    seen = Seen((REFUSED, METADATA, REGISTERED, REDEEMED, modern))
    evidence.connected(seen, Case(CLIENTS[0], Registration.DYNAMIC, MODERN), None)
    with pytest.raises(UnprovedError, match=HANDSHAKE):
        connected(seen)


def test_a_client_that_refreshes_instead_of_stepping_up_is_told_so() -> None:
    assert "refreshed its token" in evidence.why_not_stepped_up(Seen((LACKS, REFRESHED)))
    assert evidence.why_not_stepped_up(Seen((LACKS, REFRESHED, ASKED))) == ""
    assert evidence.why_not_stepped_up(Seen((REFRESHED,))) == ""


def result(**reasons: Finding) -> Result:
    found = {Phase[name.upper()]: finding for name, finding in reasons.items()}
    return Result(CASE, {**dict.fromkeys(Phase, Finding(True)), **found}, set(REPLICAS))


def test_a_row_is_as_it_must_be_when_only_what_is_known_fails_and_every_replica_answered() -> None:
    assert result().as_it_must_be
    assert result(step_up=Finding(False, "cannot", expected=True)).as_it_must_be
    assert not result(step_up=Finding(False, "cannot")).as_it_must_be
    lonely = result()
    lonely.replicas = {(True, 0), (False, 0), (False, 1)}
    assert not lonely.as_it_must_be


def test_the_quick_run_has_both_eras_and_all_rows_are_three_times_two_a_client() -> None:
    assert {case.era for case in quick_cases()} == {HANDSHAKE, MODERN}
    assert len(cases(())) == len(CLIENTS) * 6
    assert {case.client.name for case in cases(["ts-v2"])} == {"ts-v2"}


def test_the_page_numbers_reasons_and_names_no_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "PAGE", tmp_path / "interop.md")
    monkeypatch.setattr(Packages, "version", lambda _self, _package: "1.0")
    server = ForeignServer("Some guard", "package", "driver.py", "http://127.0.0.1:1/mcp")
    failed = Finding(False, "Error:\n no answer from http://127.0.0.1:8123/mcp")
    results = [result(step_up=failed), result(step_up=failed, call=Finding(False, "another"))]
    report.write(results, [Verdict(server, True, "", 200, 401, 401)], Packages(tmp_path, tmp_path))
    page = report.PAGE.read_text(encoding="utf-8")
    row = "| Python SDK | dynamic | 2025-11-25 | yes | yes |"
    assert f"{row} yes | yes | no (1) | yes |" in page
    assert f"{row} no (2) | yes | no (1) | yes |" in page
    assert "1. Error: no answer from http://127.0.0.1/mcp\n2. another\n" in page
    assert "| Some guard | 1.0 | yes | 200 | 401 | 401 |" in page
