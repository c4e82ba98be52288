"""The three metadata headers that every RPC must carry. Pure."""

from collections.abc import Mapping

from simulator.faults import rpc_errors
from simulator.org.tokens import Tokens

_REQUIRED = ("accesstoken", "instanceurl", "tenantid")


def authorize(metadata: Mapping[str, str], tokens: Tokens, org_id: str) -> None:
    """Check the headers at the start of an RPC; an open stream is not looked at again.

    Raises `RpcError`: a missing or malformed header is another code than a token that is not valid.
    """
    for name in _REQUIRED:
        if not metadata.get(name):
            raise rpc_errors.headers_invalid(f"The header {name} is missing.")
    if not metadata["instanceurl"].startswith(("https://", "http://")):
        raise rpc_errors.headers_invalid("The header instanceurl is no URL.")
    if metadata["tenantid"] != org_id:
        raise rpc_errors.headers_invalid("The header tenantid is not the 18-character id of this org.")
    if not tokens.is_valid(metadata["accesstoken"]):
        raise rpc_errors.token_refused()
