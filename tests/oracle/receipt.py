"""A receipt's content, out of a request's body or an event, and the rules a body must keep."""

import datetime
import json
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")


def parse(text):
    """JSON with exact numbers."""
    return json.loads(text, parse_float=Decimal)


def money(value):
    return Decimal(value).quantize(CENT)


def instant(text):
    return datetime.datetime.fromisoformat(text)


def average(total, count):
    """Half up, away from zero; 0 of none."""
    return (total / count).quantize(CENT, ROUND_HALF_UP) if count > 0 else Decimal("0.00")


def content_of_body(body):
    """The content as one comparable value; None if the body is not a receipt."""
    tax = body.get("tax_amount", body.get("nds_amount"))
    return (
        body["transaction_id"],
        instant(body["timestamp"]),
        tuple((i["product_id"], int(i["quantity"]), money(i["price"]), i["category"]) for i in body["items"]),
        money(body["total_amount"]),
        money(tax),
        money(body.get("tips_amount", 0)),
        body["payment_method"],
        body["place_id"],
        body["place_name"],
    )


def content_of_event(receipt):
    return (
        receipt["transaction_id"],
        receipt["occurred_at"],
        tuple((i["product_id"], i["quantity"], i["price"], i["category"]) for i in receipt["items"]),
        receipt["total_amount"],
        receipt["tax_amount"],
        receipt["tips_amount"],
        receipt["payment_method"],
        receipt["place_id"],
        receipt["place_name"],
    )


def faults(body):
    """The rules of POST /v1/receipts the ledger's bodies may break, by the name of the field."""
    found = [name for name in ("total_amount", "tax_amount", "tips_amount") if not is_amount(body.get(name, 0))]
    items = body.get("items")
    if not isinstance(items, list) or not 1 <= len(items) <= 1000:
        return [*found, "items"]
    for item in items:
        if not isinstance(item["quantity"], int) or item["quantity"] < 1:
            found.append("quantity")
        if not is_amount(item["price"]):
            found.append("price")
        found += [name for name in ("product_id", "category") if not is_name(item.get(name))]
    found += [name for name in ("transaction_id", "place_id", "place_name", "payment_method") if not is_name(body.get(name))]
    if not is_instant(body.get("timestamp")):
        found.append("timestamp")
    if not found:
        if sum(i["quantity"] * money(i["price"]) for i in items) != money(body["total_amount"]):
            found.append("total_amount")
        if money(body["tax_amount"]) > money(body["total_amount"]):
            found.append("tax_amount")
    return found


def is_amount(value):
    try:
        amount = Decimal(str(value))
    except ArithmeticError:
        return False
    return amount.is_finite() and amount >= 0 and amount == amount.quantize(CENT) and len(amount.normalize().as_tuple().digits) <= 12


def is_name(value):
    return isinstance(value, str) and 1 <= len(value) <= 150 and "\0" not in value


def is_instant(value):
    try:
        return instant(value) <= datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    except (TypeError, ValueError):
        return False
