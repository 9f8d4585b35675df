"""What clients were answered against what the log holds."""

import json
from collections import defaultdict

from .receipt import content_of_body, content_of_event, faults, instant, money, parse

# The answer says nothing of the outcome: none came, or the service does not know.
UNKNOWN = (None, 502, 503, 504)


def read_ledger(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def check(topics, ledger):
    recorded, voided = defaultdict(list), defaultdict(list)
    for record in topics.committed("receipts"):
        kinds = {"ReceiptRecorded": recorded, "ReceiptVoided": voided}
        kinds[record.type][record.event["receipt"]["transaction_id"]].append(record)
    sent = {"receipt": defaultdict(list), "void": defaultdict(list)}
    for line in ledger:
        sent[line["kind"]][line["transaction_id"]].append(line)

    yield from once("recorded", recorded)
    yield from once("voided", voided)
    for transaction_id, lines in sent["receipt"].items():
        yield from check_receipt(transaction_id, lines, recorded[transaction_id])
    for transaction_id, lines in sent["void"].items():
        yield from check_void(transaction_id, lines, sent["receipt"], recorded[transaction_id], voided[transaction_id])
    for kind, records in (("receipt", recorded), ("void", voided)):
        for transaction_id, found in records.items():
            if found and transaction_id not in sent[kind]:
                yield f"{transaction_id} is in the log at {found[0].place} ({kind}), but nobody sent it"
    counts = defaultdict(int)
    for line in ledger:
        counts[line["kind"], line["status"]] += 1
    print("answers:", ", ".join(f"{kind} {status}: {n}" for (kind, status), n in sorted(counts.items(), key=str)))


def once(what, records):
    for transaction_id, found in records.items():
        if len(found) > 1:
            yield f"{transaction_id} is {what} {len(found)} times: at {', '.join(r.place for r in found)}"


def check_receipt(transaction_id, lines, records):
    record = records[0] if records else None
    content = content_of_event(record.event["receipt"]) if record else None
    bodies = [(line, parse(line["body"])) for line in lines]
    for line, body in bodies:
        status, broken = line["status"], faults(body)
        same = not broken and content_of_body(body) == content
        who = f"{transaction_id} sent at {line['sent_at']:.3f} and answered {status}"
        if status in (200, 201):
            if broken:
                yield f"{who}, but it is invalid: {broken}"
            elif record is None:
                yield f"{who}, but it is not in the log"
            elif not same:
                yield f"{who}, but the log at {record.place} has another content"
            else:
                yield from check_answer(who, line, record)
                yield from check_understood(who, line["answer"], record.event["receipt"])
        elif status == 409:
            if record is None or same:
                yield f"{who}, but the log has {'the same content' if same else 'none of that id'}"
        elif status == 422:
            if not broken:
                yield f"{who}, but it is valid"
        elif status not in UNKNOWN:
            yield f"{who}: no such answer is foreseen"
    first = [line for line in lines if line["status"] == 201]
    if len(first) > 1:
        yield f"{transaction_id} was answered 201 {len(first)} times"
    takers = [body for line, body in bodies if line["status"] in (201, *UNKNOWN) and not faults(body)]
    if record and content not in [content_of_body(body) for body in takers]:
        yield f"{transaction_id} is in the log at {record.place} with a content that no request that may have been accepted had"
    if record and not record.event["totals_match"]:
        yield f"{transaction_id} at {record.place} is flagged as not matching its total"


def check_void(transaction_id, lines, receipts, recorded, voided):
    void = voided[0] if voided else None
    if void and not recorded:
        yield f"{transaction_id} is voided at {void.place} but was never recorded"
    elif void and content_of_event(void.event["receipt"]) != content_of_event(recorded[0].event["receipt"]):
        yield f"{transaction_id}: the void at {void.place} carries another receipt than the one recorded"
    elif void and (void.partition, recorded[0].partition) and void.offset < recorded[0].offset:
        yield f"{transaction_id} is voided at {void.place}, before it is recorded"
    accepted = [r["answered_at"] for r in receipts[transaction_id] if r["status"] in (200, 201)]
    for line in lines:
        status, reason = line["status"], json.loads(line["body"])["reason"]
        who = f"the void of {transaction_id} sent at {line['sent_at']:.3f} and answered {status}"
        if status in (200, 201):
            if void is None:
                yield f"{who}, but it is not in the log"
            elif void.event["reason"] != reason:
                yield f"{who}, but the log at {void.place} has another reason"
            else:
                yield from check_answer(who, line, void)
        elif status == 404:
            if any(at < line["sent_at"] for at in accepted):
                yield f"{who}, but the receipt had been accepted before"
        elif status == 409:
            if void is None or void.event["reason"] == reason:
                yield f"{who}, but the log has no void with another reason"
        elif status not in UNKNOWN:
            yield f"{who}: no such answer is foreseen"
    if len([line for line in lines if line["status"] == 201]) > 1:
        yield f"the void of {transaction_id} was answered 201 more than once"
    takers = [json.loads(line["body"])["reason"] for line in lines if line["status"] in (201, *UNKNOWN)]
    if void and void.event["reason"] not in takers:
        yield f"{transaction_id} is voided at {void.place} for a reason that no request that may have been accepted gave"


def check_answer(who, line, record):
    """Every answer names the same place: the record's."""
    position = f"r{record.partition}-{record.offset}"
    expected = {"transaction_id": line["transaction_id"], "position": position}
    if not expected.items() <= line["answer"].items():
        yield f"{who} with {line['answer']}, expected {expected}"
    if line["position"] != position:
        yield f"{who} with the header Till-Position {line['position']}, expected {position}"


def check_understood(who, answer, receipt):
    """The answer to a receipt says what was understood of it: what the log has."""
    amounts = ("total_amount", "tax_amount", "tips_amount")
    understood = [instant(answer["timestamp"]), *(money(answer[amount]) for amount in amounts)]
    expected = [receipt["occurred_at"], *(receipt[amount] for amount in amounts)]
    if understood != expected:
        yield f"{who} with {answer}, expected {expected}"


def straddling(topics, ledger):
    """Did receipts straddle the ends of windows: stamped by the broker before one, visible only after it?"""
    ends = [r.event["window_end"].timestamp() for r in topics.committed("analytics") if r.type == "HourClosed"]
    stamps = {r.event["receipt"]["transaction_id"]: r.stamp_ms / 1000 for r in topics.committed("receipts") if r.type == "ReceiptRecorded"}
    accepted = {x["transaction_id"]: x["answered_at"] for x in ledger if x["kind"] == "receipt" and x["status"] == 201}
    over = [i for i, answered in accepted.items() if i in stamps and any(stamps[i] < end < answered for end in ends)]
    hidden = {r.place for r in topics.uncommitted("receipts")} - {r.place for r in topics.committed("receipts")}
    print(f"{len(over)} receipts were held over the end of a window, {len(hidden)} records are of aborted transactions")
    if not over:
        yield "no receipt was stamped before the end of a window and answered after it"
    if not hidden:
        yield "no record of an aborted transaction is in the topic"
