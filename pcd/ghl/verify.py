"""Tell whether a text was signed with the private half of an Ed25519 key. Pure."""

from __future__ import annotations

import base64
import binascii

KEY_BYTES = 32

# What a DER SubjectPublicKeyInfo of an Ed25519 key begins with (RFC 8410).
_DER = bytes.fromhex("302a300506032b6570032100")


def public_key(text: str) -> bytes:
    """Return the key that *text* holds: base64 of the 32 bytes, or of a DER SubjectPublicKeyInfo.

    Raises ValueError when it is none.
    """
    try:
        found = base64.b64decode(text.strip(), validate=True).removeprefix(_DER)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if len(found) != KEY_BYTES:
        raise ValueError("not an Ed25519 public key")
    return found


def is_signed(text: bytes, *, signature: bytes, key: bytes) -> bool:
    """Tell whether *signature* is that of *text* by the owner of *key*."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True
