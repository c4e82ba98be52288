import base64

import pytest

from connectors.sinks.signing import signer_of


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        pytest.param("", "must start with whsec_", id="empty"),
        pytest.param("C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "must start with whsec_", id="no prefix"),
        pytest.param("whsec_", "24 to 64 bytes", id="nothing behind the prefix"),
        pytest.param("whsec_%%%", "must be base64", id="no base64"),
        pytest.param("whsec_" + base64.b64encode(b"x" * 23).decode(), "24 to 64 bytes", id="one byte too short"),
        pytest.param("whsec_" + base64.b64encode(b"x" * 65).decode(), "24 to 64 bytes", id="one byte too long"),
    ],
)
def test_a_weak_or_broken_secret_is_refused_without_being_shown(secret: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        signer_of(secret)
    assert len(secret) <= len("whsec_") or secret not in str(refused.value)


@pytest.mark.parametrize("size", [24, 32, 64])
def test_what_is_signed_can_be_verified_by_the_same_secret(size: int) -> None:
    signer = signer_of("whsec_" + base64.b64encode(b"k" * size).decode())
    assert signer is not None
