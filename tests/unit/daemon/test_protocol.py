"""The lines of the control socket."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcd.control import protocol
from pcd.errors import ControlError

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(method=st.text(min_size=1), params=st.dictionaries(st.text(), _JSON, max_size=4))
def test_request_survives_its_encoding(method: str, params: dict[str, object]) -> None:
    request = protocol.Request(id=7, method=method, params=params)
    line = protocol.encode(request)
    assert line.count(b"\n") == 1
    assert protocol.decode_request(line) == request


@given(result=_JSON)
def test_result_survives_its_encoding_even_when_it_is_null(result: object) -> None:
    answer = protocol.decode_answer(protocol.encode(protocol.success(3, result)))
    assert (answer.id, answer.result, answer.progress) == (3, result, msgspec.UNSET)


@given(line=st.binary(max_size=200))
def test_any_bytes_are_a_request_or_a_control_error(line: bytes) -> None:
    with suppress(ControlError):
        assert isinstance(protocol.decode_request(line).params, dict)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{}", id="no id"),
        pytest.param(b'{"id": "1", "method": "status"}', id="id is text"),
        pytest.param(b'{"id": 1, "method": "status", "params": []}', id="params are a list"),
        pytest.param(b'{"id": 1, "method": "status", "parms": {}}', id="unknown field"),
        pytest.param(b"[" * 100_000, id="deeply nested"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
        pytest.param(b'{"id": 1, "method": "\xff"}', id="a text that is not UTF-8"),
    ],
)
def test_malformed_request_is_refused(line: bytes) -> None:
    with pytest.raises(ControlError, match="not a request"):
        protocol.decode_request(line)


@pytest.mark.parametrize("line", [b"{}", b'{"id": 1}', b'{"id": 1, "result": 1, "progress": 2}', b"SSH-2.0"])
def test_line_of_another_program_is_no_answer(line: bytes) -> None:
    with pytest.raises(ControlError) as caught:
        protocol.decode_answer(line)
    assert caught.value.code == "bad_answer"


def test_answer_that_is_too_long_becomes_an_error_that_says_so() -> None:
    answer = protocol.decode_answer(protocol.encode(protocol.success(5, "x" * (protocol.MAX_LINE + 1))))
    assert isinstance(answer.error, protocol.Complaint)
    assert (answer.id, answer.error.code) == (5, "too_long")


def test_request_that_is_too_long_is_not_sent() -> None:
    with pytest.raises(ControlError, match="too long"):
        protocol.encode(protocol.Request(id=1, method="m", params={"a": "x" * protocol.MAX_LINE}))


@pytest.mark.parametrize("theirs", [0, 2, None, "1"])
def test_other_protocol_is_refused_with_both_versions(theirs: object) -> None:
    with pytest.raises(ControlError, match=f"protocol 1, the command {theirs!r}"):
        protocol.agree(theirs)
