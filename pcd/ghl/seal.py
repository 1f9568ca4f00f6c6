"""Close a text with a key so that only the key opens it, and a changed one does not open at all. Pure.

AES-256-GCM, with a key that scrypt makes of any text.
"""

from __future__ import annotations

import functools
import hashlib

NONCE_BYTES = 12

SHORTEST_KEY = 16
"""How many characters a key has at least."""

_MAGIC = b"pcd2"


def seal(text: bytes, *, key: str, nonce: bytes) -> bytes:
    """Return *text* closed with *key*; *nonce* are 12 random bytes, never used twice with one key."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a nonce has {NONCE_BYTES} bytes")
    return _MAGIC + nonce + AESGCM(_made(key)).encrypt(nonce, text, _MAGIC)


def unseal(sealed: bytes, *, key: str) -> bytes:
    """Return what was closed with *key*. Raises ValueError when it was another key, or it was changed."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    start = len(_MAGIC) + NONCE_BYTES
    nonce, closed = sealed[len(_MAGIC) : start], sealed[start:]
    if sealed.startswith(_MAGIC) and len(nonce) == NONCE_BYTES:
        try:
            return AESGCM(_made(key)).decrypt(nonce, closed, _MAGIC)
        except InvalidTag as error:
            raise ValueError("another key, or something else than what was sealed") from error
    raise ValueError("another key, or something else than what was sealed")


@functools.lru_cache(maxsize=4)
def _made(key: str) -> bytes:
    return hashlib.scrypt(key.encode(), salt=b"pcd.ghl.seal", n=2**14, r=8, p=1, dklen=32)
