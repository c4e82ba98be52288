"""The signing secret of Standard Webhooks: `whsec_` and 24 to 64 bytes in base64."""

import base64
import binascii

from standardwebhooks import Webhook

_PREFIX = "whsec_"
_LEAST_BYTES, _MOST_BYTES = 24, 64  # as the Standard Webhooks specification asks for


def signer_of(secret: str) -> Webhook:
    """What signs and verifies with this secret. Raises `ValueError` that says what is wrong without showing it."""
    if not secret.startswith(_PREFIX):
        raise ValueError(f"must start with {_PREFIX}")
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(f"must be base64 after {_PREFIX}") from None
    if not _LEAST_BYTES <= len(key) <= _MOST_BYTES:
        raise ValueError(f"must hold {_LEAST_BYTES} to {_MOST_BYTES} bytes, in base64 after {_PREFIX}")
    return Webhook(key)
