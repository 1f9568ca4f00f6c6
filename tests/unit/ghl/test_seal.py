from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcd.ghl.seal import NONCE_BYTES, seal, unseal

KEY = "correct horse battery"
NONCE = bytes(range(NONCE_BYTES))


@settings(deadline=None)  # a key is made slowly, on purpose
@given(st.binary(max_size=300), st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES))
def test_what_is_sealed_comes_back(text: bytes, nonce: bytes) -> None:
    assert unseal(seal(text, key=KEY, nonce=nonce), key=KEY) == text


def test_sealed_text_cannot_be_read() -> None:
    text = b"refresh-token-" * 10
    sealed = seal(text, key=KEY, nonce=NONCE)
    assert b"refresh" not in sealed
    assert sealed != seal(text, key=KEY, nonce=NONCE[::-1])


@given(st.data())
def test_changed_text_does_not_open(data: st.DataObject) -> None:
    sealed = bytearray(seal(b"a grant of theirs", key=KEY, nonce=NONCE))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match="another key"):
        unseal(bytes(sealed), key=KEY)


@pytest.mark.parametrize("sealed", [b"", b"pcd1", b"x" * 100])
def test_anything_else_does_not_open(sealed: bytes) -> None:
    with pytest.raises(ValueError, match="another key"):
        unseal(sealed, key=KEY)


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(ValueError, match="another key"):
        unseal(seal(b"a", key=KEY, nonce=NONCE), key=f"{KEY}!")


def test_nonce_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="12 bytes"):
        seal(b"a", key=KEY, nonce=b"short")
