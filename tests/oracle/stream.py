"""The log itself: whole from 0, stamped by the broker, decodable, rightly keyed and placed, every event once."""

from .wire import partition_of

KEYS = {
    "ReceiptRecorded": lambda event: event["receipt"]["transaction_id"],
    "ReceiptVoided": lambda event: event["receipt"]["transaction_id"],
    "AccountRegistered": lambda event: event["realm"],
    "RolesAssigned": lambda event: event["realm"],
    "LoginLocked": lambda event: event["realm"],
    "LoginUnlocked": lambda event: event["realm"],
    "LoginTokenIssued": lambda event: event["realm"],
    "LoginTokenRevoked": lambda event: event["realm"],
    "PasswordChanged": lambda event: event["realm"],
    "PlaceHourComputed": lambda event: event["place_id"],
    "HourClosed": lambda event: "hours",
}
# The fields that name the aggregate of an event; its home is the key.
OWNERS = {"catalogue": ("product", "cashback_type", "seller"), "stock": ("product",), "orders": ("order",)}


def check(topics):
    for noun in ("receipts", "accounts", "catalogue", "stock", "orders", "analytics"):
        seen = {}
        for record in topics.committed(noun):
            where = f"{noun} {record.place}"
            if noun in OWNERS and (owner := next((record.event[field] for field in OWNERS[noun] if field in record.event), None)):
                if record.key.decode() != owner["home"]:
                    yield f"{where}: {record.type} of {owner} has the key {record.key!r}"
            if record.type in KEYS and record.key.decode() != KEYS[record.type](record.event):
                yield f"{where}: {record.type} has the key {record.key!r}"
            if record.partition != partition_of(record.key, topics.partitions(noun)):
                yield f"{where}: the key {record.key!r} does not belong in this partition"
            event_id = record.headers.get("event-id", b"")
            if len(event_id) != 16 or event_id[6] >> 4 != 7:
                yield f"{where}: the event id {event_id.hex()} is no UUIDv7"
            if event_id in seen:
                yield f"{where}: the event id {event_id.hex()} is also that of {seen[event_id]}"
            seen[event_id] = where
    yield from topics.faults
