"""Records to bytes and back: Avro single-object encoding out, that and the Confluent wire format in."""

from schemas.codec.errors import DecodeError
from schemas.codec.wire import Codec, decode, encode

__all__ = ["Codec", "DecodeError", "decode", "encode"]
