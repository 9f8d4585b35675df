"""The worker's events against slices of the receipts topic by raw offsets."""

import bisect
import datetime
from collections import defaultdict
from decimal import Decimal

from .receipt import average

SUMS = ("purchases", "total_amount", "tax_amount", "tips_amount")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def micros(instant):
    return (instant - EPOCH) // datetime.timedelta(microseconds=1)


def check(topics):
    receipts = topics.committed("receipts")
    closed, computed = windows(topics)
    if not closed:
        yield "no window was closed"
        return
    yield from check_chain(closed, topics.partitions("receipts"))
    yield from check_last_events(closed, receipts)
    yield from check_stamps(closed, receipts)
    running = defaultdict(empty)
    for record in closed:
        window = record.event
        inside = {s["partition"]: range(s["start"], s["end"]) for s in window["slices"]}
        slice_ = [r for r in receipts if r.offset in inside.get(r.partition, ())]
        yield from check_window(window, slice_, computed.pop(micros(window["window_end"]), {}), running)
    for end, places in computed.items():
        yield f"{len(places)} places were computed for a window ending at {end} that was never closed"
    last = {s["partition"]: s["end"] for s in closed[-1].event["slices"]}
    open_ = sum(r.offset >= last[r.partition] for r in receipts)
    print(f"{len(closed)} windows, {len(receipts) - open_} records in them, {open_} after the last")


def windows(topics):
    """The closings in order of their window, and the places' events, their parts, by window end and place. A torn transaction leaves
    events of a window that was worked out again: the last of a part counts."""
    closed, computed = [], defaultdict(dict)
    for record in topics.committed("analytics"):
        if record.type == "HourClosed":
            closed.append(record)
        elif record.type == "PlaceHourComputed":
            places = computed[micros(record.event["window_end"])]
            places.setdefault(record.event["place_id"], {})[record.event.get("part", 0)] = record.event
    closed.sort(key=lambda record: (record.event["window_end"], record.offset))
    return closed, computed


def check_chain(closed, partitions):
    """Each slice begins where the former ended, so every record is in exactly one window."""
    ends, former = dict.fromkeys(range(partitions), 0), None
    for record in closed:
        window, name = record.event, label(record.event)
        if window["window_end"] <= window["window_start"]:
            yield f"{name} ends before it starts"
        if former and window["window_start"] != former:
            yield f"{name} starts at {window['window_start']}, the one before ends at {former}"
        former = window["window_end"]
        if sorted(s["partition"] for s in window["slices"]) != list(range(partitions)):
            yield f"{name} has not one slice of each partition"
        for part in window["slices"]:
            if part["start"] != ends.get(part["partition"]):
                yield f"{name}: the slice of partition {part['partition']} starts at {part['start']}, the one before ends at {ends.get(part['partition'])}"
            if part["end"] < part["start"]:
                yield f"{name}: the slice of partition {part['partition']} ends before it starts"
            ends[part["partition"]] = part["end"]


def check_stamps(closed, receipts):
    """A slice holds what the broker appended before its window's end: it stops at the first record stamped later."""
    for number, record in enumerate(closed):
        window = record.event
        start, end = micros(window["window_start"]), micros(window["window_end"])
        inside = {s["partition"]: range(s["start"], s["end"]) for s in window["slices"]}
        for receipt in receipts:
            if receipt.offset not in inside.get(receipt.partition, ()):
                continue
            stamp = receipt.stamp_ms * 1000
            # The first window takes all that came before it.
            if stamp >= end or (number > 0 and stamp < start):
                yield f"{label(window)} holds the record {receipt.place}, stamped {EPOCH + datetime.timedelta(microseconds=stamp)}"


def check_last_events(closed, receipts):
    """A window names the last record of each partition that it or one before has counted."""
    of_partition = defaultdict(list)
    for receipt in receipts:
        of_partition[receipt.partition].append(receipt)
    for record in closed:
        for part in record.event["slices"]:
            records = of_partition[part["partition"]]
            counted = bisect.bisect_left(records, part["end"], key=lambda r: r.offset)
            last, named = records[counted - 1] if counted else None, part.get("last")
            if named is None:
                # Before parts no window named any, and one without receipts knows only what the one before knew.
                missing = "parts" in record.event and last and last.offset >= part["start"]
                expected = last.offset if missing else None
            else:
                expected = last and (last.offset, last.headers.get("event-id"))
                named = (named["offset"], named["event_id"])
            if named != expected:
                yield f"{label(record.event)} names {named} as the last event of partition {part['partition']}, expected {expected}"


# A part's categories, their names and at most so much for the sums of each, stay below what a topic takes by far.
CATEGORIES_MAX_BYTES, SUMS_BYTES = 256 * 1024, 80


def whole(parts):
    """The place's window that its parts add up to, and what is wrong with them."""
    parts = [parts[number] for number in sorted(parts)]
    numbers = [(part.get("part", 0), part.get("parts", 1)) for part in parts]
    if numbers != [(number, len(parts)) for number in range(len(parts))]:
        return parts[0], f"has the parts {numbers}"
    for part in parts:
        size = sum(len(c["category"].encode()) + SUMS_BYTES for c in part["categories"])
        if size > CATEGORIES_MAX_BYTES and len(part["categories"]) > 1:
            return parts[0], f"has a part with {size} bytes of categories"
    if any(part["running"] != parts[0]["running"] for part in parts):
        return parts[0], "has parts with different running sums"
    joined = dict(parts[0], sums=dict(parts[0]["sums"]), categories=[c for part in parts for c in part["categories"]])
    for part in parts[1:]:
        joined["recorded"] += part["recorded"]
        joined["voided"] += part["voided"]
        for key in SUMS:
            joined["sums"][key] += part["sums"][key]
    if len({c["category"] for c in joined["categories"]}) != len(joined["categories"]):
        return joined, "has a category twice"
    return joined, None


def empty():
    return {"sums": dict.fromkeys(SUMS, 0), "categories": defaultdict(lambda: [0, Decimal(0)])}


def check_window(window, records, computed, running):
    name, expected = label(window), fold(records)
    for place_id, place in expected.items():
        total = running[place_id]
        for key in SUMS:
            total["sums"][key] += place["sums"][key]
        for category, (quantity, amount) in place["categories"].items():
            total["categories"][category][0] += quantity
            total["categories"][category][1] += amount
    for place_id in expected.keys() | computed.keys():
        if place_id not in computed:
            yield f"{name}: {place_id} was not computed"
            continue
        event, fault = whole(computed[place_id])
        if fault:
            yield f"{name}: {place_id} {fault}"
        yield from differences(f"{name}: {place_id}", of_event(event), of_fold(expected.get(place_id, empty() | NONE), running[place_id]))
    counts = {"recorded": sum(p["recorded"] for p in expected.values()), "voided": sum(p["voided"] for p in expected.values())}
    counts["places"] = len(computed)
    # Of before parts it says nothing of them.
    if "parts" in window:
        counts["parts"] = sum(len(parts) for parts in computed.values())
    yield from differences(name, {key: window[key] for key in counts}, counts)


NONE = {"recorded": 0, "voided": 0}


def fold(records):
    places = {}
    for record in records:
        sign = {"ReceiptRecorded": 1, "ReceiptVoided": -1}[record.type]
        receipt = record.event["receipt"]
        place = places.setdefault(receipt["place_id"], empty() | NONE)
        place["recorded" if sign > 0 else "voided"] += 1
        place["sums"]["purchases"] += sign
        for key in SUMS[1:]:
            place["sums"][key] += sign * receipt[key]
        for item in receipt["items"]:
            place["categories"][item["category"]][0] += sign * item["quantity"]
            place["categories"][item["category"]][1] += sign * item["quantity"] * item["price"]
    return places


def of_fold(place, running):
    categories = place["categories"].items()
    return {
        "recorded": place["recorded"],
        "voided": place["voided"],
        "average_receipt": average(place["sums"]["total_amount"], place["sums"]["purchases"]),
        **{key: place["sums"][key] for key in SUMS},
        **{f"running {key}": running["sums"][key] for key in SUMS},
        "categories": {name: (*sums, *running["categories"][name]) for name, sums in categories},
    }


def of_event(event):
    fields = ("quantity", "amount", "running_quantity", "running_amount")
    return {
        "recorded": event["recorded"],
        "voided": event["voided"],
        "average_receipt": event["average_receipt"],
        **{key: event["sums"][key] for key in SUMS},
        **{f"running {key}": event["running"][key] for key in SUMS},
        "categories": {c["category"]: tuple(c[field] for field in fields) for c in event["categories"]},
    }


def differences(name, found, expected):
    for key, value in expected.items():
        if found[key] != value:
            yield f"{name}: {key} is {found[key]}, expected {value}"


def label(window):
    return f"the window {window['window_start']:%H:%M:%S} - {window['window_end']:%H:%M:%S}"


def check_reads(topics, reads):
    """The windows and their rows as read over HTTP; a place without receipts in a window reads as zeros."""
    closed, computed = windows(topics)
    runs = list(reads.pages("/v1/analytics/runs", "runs"))
    expected = [run_of(record.event) for record in reversed(closed)]
    if [{key: run[key] for key in expected[0]} | {"slices": sorted_slices(run)} for run in runs] != expected:
        yield f"the runs are read as {len(runs)} windows other than the {len(expected)} in the log"
    rows = {(row["window_start"], row["place_id"]): row for row in reads.pages("/v1/analytics/taxes-and-tips", "hours")}
    categories = {(row["window_start"], row["place_id"]): row for row in reads.pages("/v1/analytics/categories", "hours")}
    running, zeros = {}, 0
    for record in closed:
        window = record.event
        places = computed.get(micros(window["window_end"]), {})
        running |= {place_id: whole(parts)[0] for place_id, parts in places.items()}
        for place_id, latest in running.items():
            key = (text(window["window_start"]), place_id)
            name = f"{label(window)} of {place_id} as read"
            row = rows.pop(key, None)
            own = place_id in places
            zeros += not own
            if row is None:
                yield f"{name} is missing"
                continue
            yield from differences(name, row, row_of(latest, own))
            found = categories.pop(key, {}).get("categories", [])
            if own and by_name(found) != of_event(latest)["categories"]:
                yield f"{name} has the categories {found}"
            if not own and found:
                yield f"{name} has categories {found}, expected none"
    yield from (f"a row is read that no window has: {key}" for key in rows)
    print(f"{len(runs)} runs read, {zeros} rows of zeros")


def text(instant):
    return instant.isoformat().replace("+00:00", "Z")


def sorted_slices(run):
    return sorted(run["slices"], key=lambda part: part["partition"])


def run_of(window):
    fields = {key: window[key] for key in ("recorded", "voided", "places")}
    times = {key: text(window[key]) for key in ("window_start", "window_end")}
    slices = [{key: part[key] for key in ("partition", "start", "end")} for part in sorted_slices(window)]
    return fields | times | {"slices": slices}


def row_of(event, own):
    """A place's row: its own figures, or zeros with the running sums so far."""
    counts = ("purchases", "recorded", "voided")
    figures = of_event(event)
    row = {key: figures[key] if own else 0 for key in counts}
    row |= {key: str(figures[key]) if own else "0.00" for key in (*SUMS[1:], "average_receipt")}
    row["running_purchases"] = figures["running purchases"]
    return row | {f"running_{key}": str(figures[f"running {key}"]) for key in SUMS[1:]}


def by_name(categories):
    fields = ("quantity", "amount", "running_quantity", "running_amount")
    return {c["category"]: tuple(Decimal(c[field]) for field in fields) for c in categories}
