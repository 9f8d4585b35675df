"""Figures by business time, as read over HTTP, against a fold of the log."""

import random
from collections import defaultdict
from decimal import Decimal

from .hours import SUMS, differences
from .receipt import average

# Categories that are listed; all others are one row.
MOST_CATEGORIES = 1000


def check(topics, reads):
    receipts, names = standing(topics)
    yield from check_places(reads, receipts, names)
    for begin, end, place_id in intervals(receipts, sorted(names)):
        inside = [r for r in receipts if place_id in (None, r["place_id"])]
        inside = [r for r in inside if (not begin or r["occurred_at"] >= begin) and (not end or r["occurred_at"] < end)]
        query = {"from_": begin and begin.isoformat(), "to": end and end.isoformat(), "place_id": place_id}
        yield from check_interval(reads, query, inside)
    print(f"{len(receipts)} receipts stand, of {len(names)} places")


def standing(topics):
    """The receipts that are not voided, and each place's name on its latest one by business time; where a place has voided
    ones only, on the latest of these."""
    receipts, voided, latest = {}, set(), {}
    for record in topics.committed("receipts"):
        receipt = record.event["receipt"]
        if record.type == "ReceiptVoided":
            voided.add(receipt["transaction_id"])
        else:
            receipts.setdefault(receipt["transaction_id"], receipt)
    for transaction_id, receipt in receipts.items():
        mark = (transaction_id not in voided, receipt["occurred_at"], transaction_id, receipt["place_name"])
        latest[receipt["place_id"]] = max(mark, latest.get(receipt["place_id"], mark))
    return [r for i, r in receipts.items() if i not in voided], {i: mark[3] for i, mark in latest.items()}


def total(receipts):
    sums = {"purchases": len(receipts)}
    for key in SUMS[1:]:
        sums[key] = sum((r[key] for r in receipts), Decimal("0.00"))
    return sums


def check_places(reads, receipts, names):
    of_place = defaultdict(list)
    for receipt in receipts:
        of_place[receipt["place_id"]].append(receipt)
    found = {place["place_id"]: place for place in reads.pages("/v1/analytics/places", "places")}
    if found.keys() != names.keys():
        yield f"places are read as {sorted(found)}, the log has {sorted(names)}"
    for place_id in found.keys() & names.keys():
        expected = total(of_place[place_id])
        expected["average_receipt"] = average(expected["total_amount"], expected["purchases"])
        expected = {key: str(value) if key != "purchases" else value for key, value in expected.items()}
        expected["place_name"] = names[place_id]
        yield from differences(f"the figures of {place_id}", found[place_id], expected)
        if reads.get(f"/v1/analytics/places/{place_id}") != found[place_id]:
            yield f"{place_id} by itself is read otherwise than in the list"


def intervals(receipts, places):
    """All time, and times at random of which few begin or end with an hour."""
    chance = random.Random(1)
    yield None, None, None
    times = sorted({r["occurred_at"] for r in receipts}) or [None]
    for number in range(12):
        begin, end = sorted(chance.choices(times, k=2)) if times[0] else (None, None)
        if number % 4 == 1 and begin:
            begin = begin.replace(minute=0, second=0, microsecond=0)
        if begin is None or begin < end:
            yield begin, end if number % 5 else None, chance.choice([None, *places])


def check_interval(reads, query, receipts):
    name = f"from {query['from_']} to {query['to']} of {query['place_id'] or 'all'}"
    found = reads.get("/v1/analytics/taxes-and-tips", limit=1, **query)["totals"]
    expected = total(receipts)
    expected = {key: str(value) if key != "purchases" else value for key, value in expected.items()}
    yield from differences(f"taxes and tips {name}", found, expected)
    categories = defaultdict(lambda: [0, Decimal("0.00")])
    for receipt in receipts:
        for item in receipt["items"]:
            categories[item["category"]][0] += item["quantity"]
            categories[item["category"]][1] += item["quantity"] * item["price"]
    answer = reads.get("/v1/analytics/categories", limit=1, **query)
    read = [(c["category"], c["quantity"], Decimal(c["amount"])) for c in answer["totals"]]
    # A category whose receipts are all voided is left out: nothing is left of it.
    sums = [(category, *sums) for category, sums in categories.items() if sums != [0, 0]]
    sums.sort(key=lambda row: (-row[2], row[0].encode()))
    if read != sums[:MOST_CATEGORIES]:
        yield f"categories {name} are {read}, expected {sums[:MOST_CATEGORIES]}"
    rest = sums[MOST_CATEGORIES:]
    other = {"categories": len(rest), "quantity": sum(row[1] for row in rest), "amount": str(sum((row[2] for row in rest), Decimal("0.00")))}
    yield from differences(f"the other categories {name}", answer["other"], other)
