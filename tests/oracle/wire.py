"""Record values: Avro single-object encoding, decoded by the schemas in the repository."""

import io
import json
import pathlib

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

MARKER = b"\xc3\x01"


class Schemas:
    """All versions of all events, by their 8-byte fingerprint (CRC-64-AVRO, little-endian)."""

    def __init__(self, folder):
        self.by_fingerprint = {}
        for path in pathlib.Path(folder).glob("*/v*.avsc"):
            definition = json.loads(path.read_text())
            # fastavro prints the fingerprint's bytes in little-endian order.
            mark = bytes.fromhex(fingerprint(to_parsing_canonical_form(definition), "CRC-64-AVRO"))
            self.by_fingerprint[mark] = (definition["name"], fastavro.parse_schema(definition))

    def decode(self, value):
        """The event's type, its fields, and its fingerprint."""
        if value[:2] != MARKER:
            raise ValueError(f"a value begins with {value[:2].hex()}, not with Avro's single-object marker")
        mark = bytes(value[2:10])
        if mark not in self.by_fingerprint:
            raise ValueError(f"no schema in the repository has the fingerprint {mark.hex()}")
        name, schema = self.by_fingerprint[mark]
        stream = io.BytesIO(value[10:])
        event = fastavro.schemaless_reader(stream, schema)
        if stream.read(1):
            raise ValueError(f"bytes follow the event {name}")
        return name, event, mark


def murmur2(data):
    """Kafka's default partitioner's hash (KIP-480 and before), 32 bits unsigned."""
    mask, multiplier = 0xFFFFFFFF, 0x5BD1E995
    result = 0x9747B28C ^ len(data)
    whole = len(data) - len(data) % 4
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * multiplier & mask
        word = (word ^ word >> 24) * multiplier & mask
        result = (result * multiplier & mask) ^ word
    if whole < len(data):
        result = (result ^ int.from_bytes(data[whole:], "little")) * multiplier & mask
    result = (result ^ result >> 13) * multiplier & mask
    return result ^ result >> 15


def partition_of(key, partitions):
    return (murmur2(key) & 0x7FFFFFFF) % partitions
