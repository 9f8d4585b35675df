"""What is sealed in the log, opened by an AES that is not Till's: who can still be read, and who cannot."""

import json
import uuid

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12
BOX_VERSION = 1


def parse_masters(text):
    """The master keys of `NUMBER:HEX,…` by their numbers."""
    pairs = (master.split(":") for master in text.split(",") if master)
    return {int(number): bytes.fromhex(digits) for number, digits in pairs}


def check(topics, schemas, masters, expected):
    """Everybody who was not erased can be read, nobody else can, and each expected text is in what was opened."""
    keys, erased = latest_keys(topics), erased_subjects(topics)
    for subject in keys.keys() & erased:
        yield f"{subject} was erased, and its key is in the log"
    opened, noise, texts = set(), set(), set()
    for place, subject, box in boxes(topics):
        if subject in erased:
            noise.add(subject)
            continue
        if subject not in keys:
            yield f"{place}: {subject} lives, and its key is not in the log"
            continue
        personal = open_box(schemas, masters, keys[subject], subject, box)
        if personal is None:
            yield f"{place}: a box of {subject} does not open"
            continue
        opened.add(subject)
        texts.update(value for value in personal.values() if value)
    for text in expected:
        if not any(text in found for found in texts):
            yield f"nothing that was opened has the text {text!r}"
    print(f"sealed: {len(opened)} persons can be read, {len(noise)} were erased, {len(keys)} keys are in the log")


def check_copy(path, masters):
    """No key of a copy of the log opens with a master key that is in use."""
    with open(path) as file:
        records = json.load(file)
    for record in records:
        subject, wrapped = uuid.UUID(record["subject"]), bytes.fromhex(record["wrapped"])
        if any(unwrap(master, subject, record["home"], wrapped) for master in masters.values()):
            yield f"the key of {subject} in the copy opens"
    if not records:
        yield "there is no key in the copy"
    print(f"copied: {len(records)} keys of the copy were tried")


def latest_keys(topics):
    """The latest record of each person that has a key."""
    keys = {}
    for record in topics.committed("keys"):
        subject = uuid.UUID(record.key.decode())
        if record.type == "PersonKeyed":
            keys[subject] = record.event
        else:
            keys.pop(subject, None)
    return keys


def erased_subjects(topics):
    erased = (record.event for record in topics.committed("people") if record.type == "PersonErased")
    return {as_uuid(subject) for event in erased for subject in event["subjects"]}


def boxes(topics):
    """Each box of the log: where it stands, whose it is, and its bytes."""
    for noun in ("accounts", "people", "orders"):
        for record in topics.committed(noun):
            sealed = record.event.get("sealed") or record.event.get("ship_to")
            if sealed:
                yield f"{noun} {record.place}", as_uuid(sealed["subject"]), sealed["box"]


def open_box(schemas, masters, keyed, subject, box):
    """What is personal in a box; None where it does not open."""
    master = masters.get(keyed["master"])
    key = master and unwrap(master, subject, keyed["home"], keyed["wrapped"])
    if not key or box[0] != BOX_VERSION:
        return None
    clear = decrypt(key, box[1:], b"till/personal/1" + subject.bytes)
    return clear and schemas.decode(clear, None)[1]


def unwrap(master, subject, home, wrapped):
    """The key of a person; None where the master key is not the one that it was wrapped under."""
    return decrypt(master, wrapped, b"till/key/1" + subject.bytes + home.encode())


def decrypt(key, sealed, bound):
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound)
    except InvalidTag:
        return None


def as_uuid(value):
    return value if isinstance(value, uuid.UUID) else uuid.UUID(bytes=bytes(value))
