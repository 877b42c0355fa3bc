"""REDIS_URL: what it may say, and one clear sentence for each mistake."""

import pytest

from mcp_server.settings import McpSettings
from shared.redis.address import Kind, parse_address, without_secrets
from shared.settings import SettingsError


@pytest.mark.parametrize(
    "url", ["redis://h:6379/0", "rediss://:pw@h/1?ssl_ca_certs=/ca.pem", "unix:///run/redis.sock"]
)
def test_one_server_is_left_to_the_library(url: str) -> None:
    address = parse_address(url)
    assert address.kind is Kind.SINGLE
    assert address.url == url


def test_sentinels_are_read_with_their_service_and_both_passwords() -> None:
    url = "redis+sentinel://ann:p%40ss@one:26379,two,[::1]:7/vt-master/3?sentinel_password=s%23x&sentinel_username=u"
    address = parse_address(url)
    assert address.kind is Kind.SENTINEL
    assert address.nodes == (("one", 26379), ("two", 26379), ("::1", 7))
    assert (address.service, address.database) == ("vt-master", 3)
    assert (address.username, address.password) == ("ann", "p@ss")
    assert (address.sentinel_username, address.sentinel_password) == ("u", "s#x")
    assert not address.tls


def test_a_cluster_is_read_with_tls() -> None:
    address = parse_address(
        "rediss+cluster://:pw@one:7000,two:7001?ssl_ca_certs=/ca.pem&ssl_check_hostname=false"
    )
    assert address.kind is Kind.CLUSTER
    assert address.nodes == (("one", 7000), ("two", 7001))
    assert (address.username, address.password) == (None, "pw")
    assert address.tls
    assert address.tls_options == {"ssl_ca_certs": "/ca.pem", "ssl_check_hostname": False}


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://h", "must start with"),
        ("redis+sentry://h/s", "must start with"),
        ("sentinel://h/s", "must start with"),
        ("redis+sentinel:h/s", "must start with"),
        ("redis+sentinel://h:26379", "must end in the service's name"),
        ("redis+sentinel://h:26379/", "must end in the service's name"),
        ("redis+sentinel://h/s/x", "number of a database"),
        ("redis+sentinel://h/s/0/1", "number of a database"),
        ("redis+sentinel://h:0/s", "host:port"),
        ("redis+sentinel://h:70000/s", "host:port"),
        ("redis+sentinel://h,,g/s", "host:port"),
        ("redis+sentinel:///s", "host:port"),
        ("redis+sentinel://h b/s", "host:port"),
        ("redis+sentinel://h,h:26379/s", "twice"),
        ("redis+sentinel://h/s?sentinel_pasword=x", "other options"),
        ("redis+sentinel://h/s?ssl_ca_certs=/x", "other options"),
        ("redis+sentinel://h/s?sentinel_password=x&sentinel_password=y", "twice"),
        ("redis+sentinel://:a#b@h/s", "%23"),
        ("redis+cluster://h:7000/1", "database 0 alone"),
        ("redis+cluster://h:7000/service", "database 0 alone"),
        ("redis+cluster://h:7000?sentinel_password=x", "other options"),
    ],
)
def test_every_mistake_is_told_in_a_sentence_without_the_secret(url: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as told:
        McpSettings.load(env_file=None, environ={"OAUTH_ENABLED": "false", "REDIS_URL": url})
    (problem,) = told.value.problems
    assert problem.startswith("REDIS_URL must")
    assert sentence in problem
    assert ":a" not in problem


@pytest.mark.parametrize("value", ["-1", "6", "some"])
def test_a_senseless_number_of_replicas_stops_the_start(value: str) -> None:
    with pytest.raises(SettingsError, match="REDIS_WAIT_REPLICAS"):
        McpSettings.load(env_file=None, environ={"OAUTH_ENABLED": "false", "REDIS_WAIT_REPLICAS": value})


def test_no_password_is_shown() -> None:
    url = "redis+sentinel://ann:secret@one:1,two:2/service/0?sentinel_password=secret"
    assert without_secrets(url) == "redis+sentinel://***@one:1,two:2/service/0?***"
    assert "secret" not in repr(parse_address(url))
