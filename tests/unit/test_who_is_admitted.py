"""Who may use the server, and which sessions, codes and secrets count."""

from dataclasses import replace

import pytest

from auth_server.domain import client_secrets, generate
from auth_server.domain.admission import Admission
from auth_server.domain.approval import code_grant_id, open_session_credential, seal_session_credential
from auth_server.models import Client, UserSession
from shared.sealing import Sealer, UnsealError

SESSION = UserSession(session_id="vtss_a", subject="s", username="Ada", sealed_credential="sealed")
OWNED = replace(SESSION, sealed_credential=None)
GRANT_ID = "A" * 22


@pytest.mark.parametrize(
    ("allowed", "owner_mode", "session", "counts"),
    [
        ((), False, SESSION, True),
        (("ada",), False, SESSION, True),
        (("grace",), False, SESSION, False),
        ((), True, SESSION, False),
        ((), True, OWNED, True),
        ((), False, OWNED, False),
        (("grace",), True, OWNED, False),
    ],
)
def test_a_session_counts_in_its_own_mode_for_somebody_admitted(
    allowed: tuple[str, ...], owner_mode: bool, session: UserSession, counts: bool
) -> None:
    assert Admission(frozenset(allowed), owner_mode).admits_session(session) is counts


def test_a_credential_opens_for_its_own_session_alone() -> None:
    sealer = Sealer(b"k" * 32)
    sealed = seal_session_credential(sealer, "vtss_a", "token")
    assert open_session_credential(sealer, replace(SESSION, sealed_credential=sealed)) == "token"
    assert open_session_credential(sealer, OWNED) is None
    with pytest.raises(UnsealError):
        open_session_credential(sealer, replace(SESSION, session_id="vtss_b", sealed_credential=sealed))


@pytest.mark.parametrize(
    ("code", "grant_id"),
    [
        (f"vtac_{GRANT_ID}.s", GRANT_ID),
        (f"vtac_{GRANT_ID}.a.b", GRANT_ID),
        (f"vtac_{GRANT_ID}.".ljust(200, "s"), GRANT_ID),
        (f"vtac_{GRANT_ID}.".ljust(201, "s"), None),
        (f"vtac_{GRANT_ID}.", None),
        (f"vtac_{GRANT_ID}", None),
        (f"vtac_{GRANT_ID}A.s", None),
        (f"vtac_{GRANT_ID[1:]}.s", None),
        (f"{GRANT_ID}.s", None),
        (f"{GRANT_ID}.svtac_", None),
        ("", None),
    ],
)
def test_a_code_names_its_grant_when_it_has_the_form_of_one(code: str, grant_id: str | None) -> None:
    assert code_grant_id(code) == grant_id


def test_a_secret_is_right_or_wrong_and_not_too_long_to_hash() -> None:
    longest = "s" * client_secrets.MAX_LENGTH
    client = Client("client_a", generate.digest(longest), (), ())
    assert client_secrets.verify(client, longest)
    assert not client_secrets.verify(client, longest[1:])
    too_long = replace(client, secret_hash=generate.digest(longest + "s"))
    assert not client_secrets.verify(too_long, longest + "s")
    assert not client_secrets.verify(replace(client, secret_hash=None), "")


def test_what_is_made_has_its_prefix_and_its_random_bits() -> None:
    assert [len(generate.secret("vtcs_")), len(generate.client_id())] == [5 + 43, 7 + 22]
    assert [len(generate.grant_id()), len(generate.token_id())] == [22, 22]
    assert generate.secret("vtcs_").startswith("vtcs_")
    assert generate.client_id().startswith("client_")
    # FIPS 180-4, the digest of "abc".
    assert generate.digest("abc") == "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"
