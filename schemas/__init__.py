"""The contracts between the parts: topic records, their Avro schemas, the topic catalogue and the wire protocol.

Connectors and streams share this package and the topics, nothing else. It imports nothing of theirs.
"""
