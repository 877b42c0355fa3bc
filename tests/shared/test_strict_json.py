"""JSON that two parsers could read in two ways is refused (RFC 8259 section 4, RFC 7493)."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.strict_json import InvalidJsonError, load_object, loads

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text('ab"\\{}[]', max_size=4), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_what_json_writes_is_read_back(value: object) -> None:
    assert loads(json.dumps(value)) == value
    assert loads(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        value = loads(data)
    except InvalidJsonError:
        return
    assert value == json.loads(data)


@given(st.text('{}[]",:\\u0 1ae', max_size=60))
def test_any_text_is_read_as_json_reads_it_or_refused(text: str) -> None:
    try:
        value = loads(text)
    except InvalidJsonError:
        return
    assert value == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 1}',
        '{"a": 1, "\\u0061": 2}',
        '[{"b": {"a": 1, "a": 2}}]',
        "NaN",
        "[Infinity]",
        "-Infinity",
        "1e999",
        "-1e999",
        "9" * 21,
        '"\\ud800"',
        '{"\\udc00": 1}',
        '["\\ud800\\u0041"]',
        "[" * 33 + "]" * 33,
        '{"a":' * 33 + "1" + "}" * 33,
        "",
        " ",
        "{",
        "}",
        "{}{}",
        "{},",
        "[1,]",
        "{'a': 1}",
        "{a: 1}",
        "01",
        "+1",
        ".5",
        "0x1",
        "True",
        '"a\nb"',
        "\ufeff{}",
        "// comment\n{}",
        '"unterminated',
    ],
    ids=lambda text: text[:24],
)
def test_ambiguous_or_malformed_texts_are_refused(text: str) -> None:
    for form in (text, text.encode("utf-8", "surrogatepass")):
        with pytest.raises(InvalidJsonError):
            loads(form)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": {"a": 1}, "b": [{"a": 2}]}', {"a": {"a": 1}, "b": [{"a": 2}]}),
        ('"\\ud83d\\udc18"', "🐘"),
        ("9" * 20, int("9" * 20)),
        ("1e308", 1e308),
        ("[" * 32 + "]" * 32, json.loads("[" * 32 + "]" * 32)),
        ('"' + "[" * 100 + '"', "[" * 100),
        ('"\\"[[[[\\\\"', '"[[[[\\'),
        (" \t\r\n1 ", 1),
        ("null", None),
    ],
    ids=lambda text: str(text)[:24],
)
def test_unambiguous_texts_are_read(text: str, value: object) -> None:
    assert loads(text) == value


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    for data in (b"\xff", b'"\xc3"', '"é"'.encode("latin-1"), "{}".encode("utf-16")):
        with pytest.raises(InvalidJsonError):
            loads(data)


def test_refusals_quote_nothing_of_the_input() -> None:
    for text in ('{"secret-name": 1, "secret-name": 2}', '{"a": "secret-value', "[secret]"):
        with pytest.raises(InvalidJsonError) as refused:
            loads(text)
        assert "secret" not in str(refused.value)


@pytest.mark.parametrize("text", ["[]", '"a"', "1", "null"])
def test_an_object_is_an_object(text: str) -> None:
    with pytest.raises(InvalidJsonError):
        load_object(text)
    assert load_object("{}") == {}


@pytest.mark.parametrize(
    "text",
    [
        '"' + '\\"' * 20_000,
        '"' * 400_001,
        '"' + "\\" * 400_001,
        "[" * 400_000,
        '["' + "a" * 400_000,
        "1" * 400_000,
        '{"a":' * 80_000,
    ],
    ids=lambda text: text[:8],
)
def test_hostile_texts_are_refused_in_no_time(text: str) -> None:
    started = time.perf_counter()
    with pytest.raises(InvalidJsonError):
        loads(text)
    assert time.perf_counter() - started < 1
