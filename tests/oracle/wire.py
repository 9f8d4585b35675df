"""Record values: Avro single-object encoding, decoded by the schemas in the repository, and the Confluent wire format,
decoded by the registry's where there is one."""

import io
import json
import pathlib

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

MARKER = b"\xc3\x01"
CONFLUENT = b"\x00"


class Schemas:
    """All versions of all events, by their 8-byte fingerprint (CRC-64-AVRO, little-endian)."""

    def __init__(self, folder, registry=None):
        self.by_fingerprint = {}
        self.registry = registry
        # By the record's full name, the fingerprints of its versions, oldest first.
        self.versions = {}
        for path in sorted(pathlib.Path(folder).glob("*/v*.avsc"), key=lambda path: int(path.stem[1:])):
            schema = Schema(json.loads(path.read_text()))
            self.by_fingerprint[schema.mark] = schema
            self.versions.setdefault(schema.full_name, []).append(schema.mark)

    def decode(self, value, header):
        """The event's type, its fields, its fingerprint, and the id of its schema in the registry where the value names one;
        `header` is the record's `schema` header."""
        if value[:2] == MARKER:
            schema = self._find(bytes(value[2:10]))
            return schema.name, schema.read(value[10:]), schema.mark, None
        if value[:1] != CONFLUENT:
            raise ValueError(f"a value begins with {value[:2].hex()}, neither Avro's single-object marker nor Confluent's")
        schema_id = int.from_bytes(value[1:5], "big")
        schema = self.registry.schema(schema_id) if self.registry else self._find(header)
        return schema.name, schema.read(value[5:]), schema.mark, schema_id

    def _find(self, mark):
        if mark not in self.by_fingerprint:
            raise ValueError(f"no schema in the repository has the fingerprint {mark and mark.hex()}")
        return self.by_fingerprint[mark]


class Schema:
    """One schema: of the repository, or of a registry."""

    def __init__(self, definition):
        # fastavro prints the fingerprint's bytes in little-endian order.
        self.mark = bytes.fromhex(fingerprint(to_parsing_canonical_form(definition), "CRC-64-AVRO"))
        self.name = definition["name"]
        self.full_name = f"{definition['namespace']}.{self.name}"
        self.parsed = fastavro.parse_schema(definition)

    def read(self, datum):
        """The fields of the event that the datum is, and is wholly."""
        stream = io.BytesIO(datum)
        event = fastavro.schemaless_reader(stream, self.parsed)
        if stream.read(1):
            raise ValueError(f"bytes follow the event {self.name}")
        return event


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
