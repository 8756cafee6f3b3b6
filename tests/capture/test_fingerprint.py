"""The fingerprint is HMAC-SHA256, and nothing else."""

from __future__ import annotations

import hmac

import pytest

from keytrail.capture.fingerprint import Peppers
from keytrail.settings import Secret
from support.capture import PEPPERS
from support.cases import F1, F2, F3, F_ARRAY, K1, K2, K3, PEPPER

RFC_4231 = [
    (
        "\x0b" * 20,
        b"Hi There",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ),
    (
        "Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (
        "".join(map(chr, range(1, 26))),
        b"\xcd" * 50,
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    ),
]
"""Test cases 1, 2 and 4: those whose HMAC key is ASCII, as a pepper is."""


@pytest.mark.parametrize(("pepper", "key", "expected"), RFC_4231)
def test_matches_the_vectors_of_rfc_4231(pepper: str, key: bytes, expected: str) -> None:
    """The published vectors come out."""
    assert Peppers(Secret(pepper)).fingerprint(key) == expected


@pytest.mark.parametrize(
    ("key", "expected"), [(K1, F1), (K2, F2), (K3, F3), (f'["{K1}"]', F_ARRAY)]
)
def test_matches_the_constants_of_the_cases(key: str, expected: str) -> None:
    """The constants that every other implementation is held to come out."""
    assert PEPPERS.fingerprint(key.encode()) == expected


def test_a_pepper_longer_than_a_block_is_hashed_first() -> None:
    """A pepper of more than 64 bytes gives what HMAC gives for it."""
    pepper = "0123456789abcdef" * 8
    assert Peppers(Secret(pepper)).fingerprint(K1.encode()) == (
        hmac.digest(pepper.encode(), K1.encode(), "sha256").hex()
    )


def test_an_empty_key_has_no_fingerprint() -> None:
    """F-empty can't be made."""
    with pytest.raises(ValueError, match="an empty key has no fingerprint"):
        PEPPERS.fingerprint(b"")


def test_the_pepper_id_names_the_pepper_without_telling_it() -> None:
    """The id is the first eight digits of a fixed text's fingerprint."""
    assert PEPPERS.id == hmac.digest(PEPPER.encode(), b"keytrail pepper id", "sha256").hex()[:8]
    assert repr(PEPPERS) == f"Peppers(id='{PEPPERS.id}')"


def test_during_a_rotation_every_pepper_gives_a_fingerprint() -> None:
    """Current first, then the previous ones in their order; ``previous`` is the one before."""
    middle, oldest = "m" * 32, "o" * 32
    rotating = Peppers(Secret("n" * 32), (Secret(middle), Secret(oldest)))
    key = K1.encode()
    assert rotating.all(key) == [
        Peppers(Secret("n" * 32)).fingerprint(key),
        Peppers(Secret(middle)).fingerprint(key),
        Peppers(Secret(oldest)).fingerprint(key),
    ]
    assert rotating.previous(key) == rotating.all(key)[1]
    assert PEPPERS.previous(key) is None
