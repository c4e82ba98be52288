"""The records that producers take. Pure."""

Headers = list[tuple[str, bytes]]
ProducerRecord = tuple[str, bytes | None, bytes | None, Headers | None]  # topic, value, key, headers
