"""The journal of receipts, as read over HTTP, against the log."""

import datetime

from .receipt import content_of_body, content_of_event, instant


def stamp(record):
    return datetime.datetime.fromtimestamp(record.stamp_ms / 1000, datetime.UTC)


def check(topics, reads):
    recorded, voided = {}, {}
    for record in topics.committed("receipts"):
        kind = recorded if record.type == "ReceiptRecorded" else voided
        kind.setdefault(record.event["receipt"]["transaction_id"], record)
    seen, former = set(), None
    for entry in reads.pages("/v1/receipts", "receipts"):
        transaction_id = entry["transaction_id"]
        order = (instant(entry["timestamp"]), transaction_id)
        if former and order >= former:
            yield f"the journal has {transaction_id} out of order"
        former = order
        if transaction_id in seen:
            yield f"the journal has {transaction_id} twice"
        seen.add(transaction_id)
        if transaction_id not in recorded:
            yield f"the journal has {transaction_id}, which is not in the log"
        else:
            yield from check_entry(entry, recorded[transaction_id], voided.get(transaction_id))
    for transaction_id in recorded.keys() - seen:
        yield f"the journal lacks {transaction_id}, in the log at {recorded[transaction_id].place}"
    print(f"{len(seen)} receipts in the journal")


def check_entry(entry, recorded, voided):
    name = f"the journal's {entry['transaction_id']}"
    if content_of_body(entry) != content_of_event(recorded.event["receipt"]):
        yield f"{name} has another content than the log at {recorded.place}"
    if entry["position"] != f"r{recorded.partition}-{recorded.offset}":
        yield f"{name} is at {entry['position']}, the log has it at {recorded.place}"
    if entry["recorded_by"] != recorded.event["recorded_by"] or entry["totals_match"] != recorded.event["totals_match"]:
        yield f"{name} was recorded by {entry['recorded_by']}, the log says otherwise at {recorded.place}"
    if instant(entry["recorded_at"]) != stamp(recorded):
        yield f"{name} arrived at {entry['recorded_at']}, the broker says {stamp(recorded)}"
    void = entry["voided"]
    if (void is None) != (voided is None):
        yield f"{name} is {'not ' if void is None else ''}voided, the log says otherwise"
    elif void and (void["by"], void["reason"]) != (voided.event["voided_by"], voided.event["reason"]):
        yield f"{name} is voided as {void}, the log at {voided.place} says otherwise"
    elif void and instant(void["at"]) != stamp(voided):
        yield f"{name} is voided at {void['at']}, the broker says {stamp(voided)}"
