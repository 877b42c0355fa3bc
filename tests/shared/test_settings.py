"""Settings: where they come from, what is refused, and that every problem is told at once, in a sentence."""

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from auth_server.settings import AuthSettings
from shared.sealing import Sealer, key_id
from shared.settings import SettingsError, unknown_in_environment
from tests.requirements import requirement

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.b64encode(b"o" * 32).decode()


def load(tmp_path: Path, env: dict[str, str] | None = None, **environ: str) -> AuthSettings:
    """Return the settings of an `.env` and a process environment, in which the encryption key is set."""
    env_file = tmp_path / ".env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in (env or {}).items()))
    return AuthSettings.load(env_file=env_file, environ={"OAUTH_ENCRYPTION_KEY": KEY, **environ})


def problems(tmp_path: Path, env: dict[str, str] | None = None, **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, env, **environ)
    assert all(problem.endswith((".", "?")) for problem in refused.value.problems)
    return list(refused.value.problems)


def pem(key: Any, kind: str = "PKCS8") -> str:
    form = getattr(serialization.PrivateFormat, kind)
    encoded: bytes = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return encoded.decode()


def public_pem(key: Any) -> str:
    encoded: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded.decode()


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def test_the_documented_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.oauth_enabled is True
    assert settings.oauth_access_token_ttl == 3600
    assert settings.oauth_refresh_token_ttl == 2592000
    assert settings.oauth_refresh_grace_seconds == 60
    assert settings.redirect_schemes == {"cursor", "vscode", "vscode-insiders", "windsurf"}
    assert settings.auth_port == 9000
    assert settings.redis_url.get_secret_value() == "redis://127.0.0.1:6379/0"
    assert settings.mcp_resource_url == "http://127.0.0.1:8000/mcp"
    assert settings.val_town_api_url == "https://api.val.town"
    assert settings.resources == ("http://127.0.0.1:8000/mcp",)
    assert settings.allowed_users == frozenset()


def test_the_environment_goes_before_the_file_and_the_file_before_the_secrets(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in ("AUTH_PORT", "OAUTH_GRANT_TTL", "OAUTH_ACCESS_TOKEN_TTL"):
        (secrets / name).write_text("11\n")
    (secrets / ".hidden").write_text("x")
    file = {"AUTH_PORT": "22", "OAUTH_GRANT_TTL": "22", "SECRETS_DIR": str(secrets)}
    settings = load(tmp_path, file, AUTH_PORT="33")
    values = (settings.auth_port, settings.oauth_grant_ttl, settings.oauth_access_token_ttl)
    assert values == (33, 22, 11)


def test_an_empty_value_counts_as_not_set(tmp_path: Path) -> None:
    assert load(tmp_path, {"AUTH_PORT": "22"}, AUTH_PORT="").auth_port == 22


def test_a_key_of_several_lines_can_stand_in_a_secrets_file(
    tmp_path: Path, rsa_key: rsa.RSAPrivateKey
) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "OAUTH_JWT_PRIVATE_KEY").write_text(pem(rsa_key))
    assert load(tmp_path, SECRETS_DIR=str(secrets)).private_key_pem == pem(rsa_key)


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    told = problems(
        tmp_path,
        {"OAUTH_ISSUER": "x", "MCP_PROT": "1"},
        OAUTH_ISSUER_URL="http://auth.test",
        OAUTH_ENCRYPTION_KEY="short",
        OAUTH_ACCESS_TOKEN_TTL="0",
        REDIS_URL="http://x",
    )
    assert len(told) == 6
    for name in ("OAUTH_ISSUER_URL", "OAUTH_ENCRYPTION_KEY", "OAUTH_ACCESS_TOKEN_TTL", "REDIS_URL"):
        assert any(problem.startswith(name) for problem in told)


def test_a_secret_is_in_no_problem(tmp_path: Path) -> None:
    told = problems(
        tmp_path,
        OAUTH_ENCRYPTION_KEY="secret-value",
        OAUTH_JWT_PRIVATE_KEY="secret-value",
        REDIS_URL="secret-value",
    )
    assert len(told) == 3
    assert "secret-value" not in "\n".join(told)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OAUTH_ACCESS_TOKEN_TTL", "0"),
        ("OAUTH_ACCESS_TOKEN_TTL", "-1"),
        ("OAUTH_ACCESS_TOKEN_TTL", "86401"),
        ("OAUTH_ACCESS_TOKEN_TTL", "an hour"),
        ("OAUTH_REFRESH_TOKEN_TTL", "0"),
        ("OAUTH_GRANT_TTL", "0"),
        ("OAUTH_REFRESH_GRACE_SECONDS", "-1"),
        ("OAUTH_REFRESH_GRACE_SECONDS", "121"),
        ("OAUTH_ENABLED", "maybe"),
        ("AUTH_PORT", "65536"),
        ("AUTH_PORT", "http"),
        ("OAUTH_ISSUER_URL", "auth.test"),
        ("OAUTH_ISSUER_URL", "https://auth.test/"),
        ("OAUTH_ISSUER_URL", "https://auth.test?x=1"),
        ("OAUTH_ISSUER_URL", "https://auth.test#x"),
        ("OAUTH_ISSUER_URL", "https://user@auth.test"),
        ("OAUTH_ISSUER_URL", "http://auth.test"),
        ("OAUTH_ISSUER_URL", "http://192.168.1.5"),
        ("OAUTH_ISSUER_URL", "http://localhost.evil.test"),
        ("OAUTH_ISSUER_URL", "ftp://auth.test"),
        ("MCP_RESOURCE_URL", "http://mcp.test/mcp"),
        ("OAUTH_RESOURCES", "https://a.test/mcp,nonsense"),
        ("OAUTH_RESOURCES", "https://a.test/mcp#x"),
        ("OAUTH_REDIRECT_SCHEMES", "javascript"),
        ("OAUTH_REDIRECT_SCHEMES", "cursor,data"),
        ("OAUTH_REDIRECT_SCHEMES", "http"),
        ("OAUTH_REDIRECT_SCHEMES", "Cursor"),
        ("OAUTH_ENCRYPTION_KEY", "AAAA"),
        ("OAUTH_ENCRYPTION_KEY", "not base64!"),
        ("OAUTH_ENCRYPTION_KEY", base64.b64encode(b"k" * 31).decode()),
        ("OAUTH_ENCRYPTION_KEY", base64.b64encode(b"k" * 33).decode()),
        ("OAUTH_ENCRYPTION_KEY", ""),
        ("OAUTH_DECRYPTION_KEYS", "AAAA"),
        ("OAUTH_DECRYPTION_KEYS", f"{OTHER_KEY},{OTHER_KEY}"),
        ("OAUTH_DECRYPTION_KEYS", f"{OTHER_KEY},{KEY}"),
        ("OAUTH_DECRYPTION_KEYS", f"{OTHER_KEY},nonsense"),
        (
            "OAUTH_DECRYPTION_KEYS",
            ",".join(base64.b64encode(bytes([n]) * 32).decode() for n in range(65, 74)),
        ),
        ("OAUTH_JWT_PRIVATE_KEY", "nonsense"),
        ("OAUTH_JWT_PRIVATE_KEY", "-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----"),
        ("REDIS_URL", "127.0.0.1:6379"),
        ("VAL_TOWN_API_URL", "api.val.town"),
        ("SECRETS_DIR", "/nowhere/at/all"),
    ],
)
def test_a_wrong_value_is_refused_in_a_sentence_that_begins_with_its_name(
    tmp_path: Path, name: str, value: str
) -> None:
    (problem,) = problems(tmp_path, **{name: value})
    assert problem.startswith(name)
    assert "pydantic" not in problem


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OAUTH_ISSUER_URL", "https://auth.test"),
        ("OAUTH_ISSUER_URL", "https://auth.test/tenant"),
        ("OAUTH_ISSUER_URL", "http://localhost:9000"),
        ("OAUTH_ISSUER_URL", "http://127.0.0.1:9000"),
        ("OAUTH_ISSUER_URL", "http://[::1]:9000"),
        ("OAUTH_ACCESS_TOKEN_TTL", "86400"),
        ("OAUTH_REFRESH_GRACE_SECONDS", "0"),
        ("OAUTH_REFRESH_GRACE_SECONDS", "120"),
        ("OAUTH_ENABLED", "TRUE"),
        ("OAUTH_RESOURCES", "https://a.test/mcp, https://b.test/mcp"),
        ("OAUTH_REDIRECT_SCHEMES", "myapp"),
        ("REDIS_URL", "rediss://user:password@redis.test:6380/1"),
        ("AUTH_PORT", "0"),
    ],
)
def test_a_right_value_is_taken(tmp_path: Path, name: str, value: str) -> None:
    load(tmp_path, **{name: value})


def test_http_beyond_this_computer_needs_a_loud_word(tmp_path: Path) -> None:
    settings = load(tmp_path, OAUTH_ISSUER_URL="http://auth.lan", INSECURE_ALLOW_HTTP="true")
    assert "INSECURE_ALLOW_HTTP" in settings.warnings()[0]
    assert load(tmp_path).warnings() == ()


def test_a_missing_encryption_key_is_told_with_the_command_that_makes_one(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, OAUTH_ENCRYPTION_KEY="")
    assert "openssl rand -base64 32" in problem
    assert load(tmp_path, OAUTH_ENCRYPTION_KEY="", OAUTH_ENABLED="false").oauth_enabled is False


@pytest.mark.parametrize("kind", ["PKCS8", "TraditionalOpenSSL"])
@pytest.mark.parametrize("newline", ["\n", "\\n", "\r\n"])
def test_a_matching_key_pair_is_taken_in_every_spelling(
    tmp_path: Path, rsa_key: rsa.RSAPrivateKey, kind: str, newline: str
) -> None:
    private = pem(rsa_key, kind).replace("\n", newline)
    public = public_pem(rsa_key).replace("\n", newline)
    settings = load(tmp_path, OAUTH_JWT_PRIVATE_KEY=private, OAUTH_JWT_PUBLIC_KEY=public)
    assert settings.private_key_pem is not None
    assert "\\n" not in settings.private_key_pem


def test_a_key_pair_that_does_not_match_is_told(tmp_path: Path, rsa_key: rsa.RSAPrivateKey) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (problem,) = problems(
        tmp_path, OAUTH_JWT_PRIVATE_KEY=pem(rsa_key), OAUTH_JWT_PUBLIC_KEY=public_pem(other)
    )
    assert problem.startswith("OAUTH_JWT_PUBLIC_KEY")
    assert "key pair does not match" in problem


@requirement("B1")
def test_a_short_key_is_told(tmp_path: Path) -> None:
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    (problem,) = problems(tmp_path, OAUTH_JWT_PRIVATE_KEY=pem(short))
    assert problem.startswith("OAUTH_JWT_PRIVATE_KEY")
    assert "1024" in problem
    assert "2048" in problem


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()],
    ids=["P-256", "Ed25519"],
)
def test_elliptic_keys_may_sign(
    tmp_path: Path, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
) -> None:
    settings = load(tmp_path, OAUTH_JWT_PRIVATE_KEY=pem(key), OAUTH_JWT_PUBLIC_KEY=public_pem(key))
    assert settings.private_key_pem == pem(key)


def test_keys_of_other_kinds_are_told(tmp_path: Path, rsa_key: rsa.RSAPrivateKey) -> None:
    elliptic = ec.generate_private_key(ec.SECP384R1())
    (problem,) = problems(tmp_path, OAUTH_JWT_PRIVATE_KEY=pem(elliptic))
    assert "P-256" in problem
    (problem,) = problems(
        tmp_path, OAUTH_JWT_PRIVATE_KEY=pem(rsa_key), OAUTH_JWT_PUBLIC_KEY=public_pem(elliptic)
    )
    assert "key pair does not match" in problem
    protected = rsa_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    ).decode()
    (problem,) = problems(tmp_path, OAUTH_JWT_PRIVATE_KEY=protected)
    assert "unencrypted" in problem


def test_a_public_key_alone_is_told(tmp_path: Path, rsa_key: rsa.RSAPrivateKey) -> None:
    (problem,) = problems(tmp_path, OAUTH_JWT_PUBLIC_KEY=public_pem(rsa_key))
    assert "OAUTH_JWT_PRIVATE_KEY" in problem


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("OAUTH_ISSUER_URI", "OAUTH_ISSUER_URL"),
        ("OAUTH_ENCRYPTION_KEYS", "OAUTH_ENCRYPTION_KEY"),
        ("OAUTH_DECRYPTION_KEY", "OAUTH_DECRYPTION_KEYS"),
        ("oauth_enable", "OAUTH_ENABLED"),
        ("MCP_RESOURCE_URI", "MCP_RESOURCE_URL"),
        ("AUTH_PROT", "AUTH_PORT"),
    ],
)
def test_an_unknown_name_in_a_file_is_refused_with_the_likely_one(
    tmp_path: Path, name: str, near: str
) -> None:
    (problem,) = problems(tmp_path, {name: "x"})
    assert name in problem
    assert f"Did you mean {near}?" in problem
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / name).write_text("x")
    (problem,) = problems(tmp_path, SECRETS_DIR=str(secrets))
    assert "SECRETS_DIR" in problem


def test_an_unknown_name_in_the_environment_is_only_a_warning(tmp_path: Path) -> None:
    load(tmp_path, MCP_SOMETHING_ELSE="x", OAUTH_ISSUER_URI="x")
    warnings = unknown_in_environment({"OAUTH_ISSUER_URI": "x", "PATH": "x", "OAUTH_ENABLED": "true"})
    assert len(warnings) == 1
    assert "OAUTH_ISSUER_URI" in warnings[0]


def test_names_of_other_programs_are_nobody_s_business(tmp_path: Path) -> None:
    load(tmp_path, {"HOME": "/", "COMPOSE_PROJECT_NAME": "x", "MY_OAUTH_THING": "x"})


@requirement("L236")
def test_no_secret_is_in_the_representation(tmp_path: Path) -> None:
    settings = load(tmp_path, VAL_TOWN_API_TOKEN="vtwn_secret", REDIS_URL="redis://:secret@redis.test")
    for text in (repr(settings), str(settings)):
        assert KEY not in text
        assert "secret" not in text.replace("SecretStr", "").replace("secrets_dir", "")


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    settings = load(tmp_path)
    with pytest.raises(ValueError, match="frozen"):
        settings.auth_port = 1


def test_further_keys_open_and_never_seal(tmp_path: Path) -> None:
    others = [base64.b64encode(bytes([number]) * 32).decode() for number in range(65, 73)]
    settings = load(tmp_path, OAUTH_DECRYPTION_KEYS=" , ".join(others))
    assert settings.sealer.key_id == Sealer(settings.encryption_key).key_id
    assert settings.sealer.key_ids == {key_id(base64.b64decode(key)) for key in (KEY, *others)}
    assert load(tmp_path).sealer.key_ids == {settings.sealer.key_id}
    assert not any(key in repr(settings) for key in (KEY, *others))
