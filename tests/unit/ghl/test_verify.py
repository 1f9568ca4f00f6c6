from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.signing import public_of, sign

from pcd.config.shape import GhlWebhooksConfig
from pcd.ghl.verify import is_signed, public_key

# Source: RFC 8032, section 7.1, tests 1 to 3.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
            "387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
            "4a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]
SEED = bytes(range(32))


@pytest.mark.parametrize(("key", "text", "signature"), VECTORS)
def test_published_signatures_hold(key: str, text: str, signature: str) -> None:
    signed, owner = bytes.fromhex(signature), bytes.fromhex(key)
    assert is_signed(bytes.fromhex(text), signature=signed, key=owner)
    assert not is_signed(bytes.fromhex(text) + b"!", signature=signed, key=owner)


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=100), st.binary(min_size=32, max_size=32), st.data())
def test_one_changed_bit_is_noticed(text: bytes, seed: bytes, data: st.DataObject) -> None:
    signature, key = bytearray(sign(text, seed=seed)), public_of(seed)
    assert is_signed(text, signature=bytes(signature), key=key)
    place = data.draw(st.integers(0, 8 * len(signature) - 1))
    signature[place // 8] ^= 1 << place % 8
    assert not is_signed(text, signature=bytes(signature), key=key)


@pytest.mark.parametrize(
    ("signature", "key"),
    [
        pytest.param(b"", public_of(SEED), id="nothing"),
        pytest.param(bytes(64), public_of(SEED), id="noughts"),
        pytest.param(b"\xff" * 64, public_of(SEED), id="beyond the order"),
        pytest.param(sign(b"a", seed=SEED), b"\xff" * 32, id="a key that is none"),
        pytest.param(sign(b"a", seed=SEED), b"", id="no key"),
    ],
)
def test_nonsense_is_no_signature(signature: bytes, key: bytes) -> None:
    assert not is_signed(b"a", signature=signature, key=key)


def test_key_of_gohighlevel_can_be_read() -> None:
    assert len(public_key(GhlWebhooksConfig().public_key)) == 32


@pytest.mark.parametrize("text", ["", "not base64!", "AAAA"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not"):
        public_key(text)
