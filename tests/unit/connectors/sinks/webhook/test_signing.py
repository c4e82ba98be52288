import base64
from datetime import UTC, datetime

import pytest
from standardwebhooks import WebhookVerificationError

from connectors import clock
from connectors.sinks.webhook.signing import signer_of


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
def test_what_is_signed_is_verified_by_the_same_secret_and_by_no_other(size: int) -> None:
    signer = signer_of("whsec_" + base64.b64encode(b"k" * size).decode())
    at_s = clock.now_ms() // 1000
    signature = signer.sign("id-1", datetime.fromtimestamp(at_s, tz=UTC), "{}")
    headers = {"webhook-id": "id-1", "webhook-timestamp": str(at_s), "webhook-signature": signature}
    signer.verify("{}", headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        signer_of("whsec_" + base64.b64encode(b"q" * size).decode()).verify("{}", headers, json_parse=False)
