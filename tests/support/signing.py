"""Signs as HighLevel does, with a key of the test's own."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def public_of(seed: bytes) -> bytes:
    """Return the public half of the key that *seed* makes."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign(text: bytes, *, seed: bytes) -> bytes:
    """Return the signature of *text*."""
    return Ed25519PrivateKey.from_private_bytes(seed).sign(text)


def header(text: bytes, *, seed: bytes) -> str:
    """Return the signature as the header carries it."""
    return base64.b64encode(sign(text, seed=seed)).decode()
