"""Record values: Avro single-object encoding, decoded by the schemas in the repository."""

import io
import json
import pathlib

import fastavro

MARKER = b"\xc3\x01"


class Schemas:
    """All versions of all events, by their 8-byte fingerprint (CRC-64-AVRO, little-endian)."""

    def __init__(self, folder):
        self.by_fingerprint = {}
        for path in pathlib.Path(folder).glob("*/v*.avsc"):
            definition = json.loads(path.read_text())
            mark = crc64(canonical(definition, "").encode())
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


def canonical(schema, namespace):
    """Avro's parsing canonical form, but that decimals keep `precision` and `scale` as the Rust implementation has it."""
    if isinstance(schema, str):
        primitive = schema in ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
        return json.dumps(schema if primitive or "." in schema else f"{namespace}.{schema}")
    if isinstance(schema, list):
        return "[" + ",".join(canonical(branch, namespace) for branch in schema) + "]"
    kind = schema["type"]
    if kind == "record":
        namespace = schema.get("namespace", namespace)
        fields = ((json.dumps(f["name"]), canonical(f["type"], namespace)) for f in schema["fields"])
        inside = ",".join(f'{{"name":{name},"type":{type_}}}' for name, type_ in fields)
        return f'{{"name":"{namespace}.{schema["name"]}","type":"record","fields":[{inside}]}}'
    if kind == "array":
        return f'{{"type":"array","items":{canonical(schema["items"], namespace)}}}'
    if kind == "fixed":
        return f'{{"name":"{namespace}.{schema["name"]}","type":"fixed","size":{schema["size"]}}}'
    kept = "".join(f',"{key}":{schema[key]}' for key in ("precision", "scale") if key in schema)
    return f'{{"type":{json.dumps(kind)}{kept}}}'


def crc64(data):
    """CRC-64-AVRO, its 8 bytes in little-endian order."""
    empty = 0xC15D213AA4D7A795
    mark = empty
    for byte in data:
        mark ^= byte
        for _ in range(8):
            mark = mark >> 1 ^ (empty if mark & 1 else 0)
    return mark.to_bytes(8, "little")


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
