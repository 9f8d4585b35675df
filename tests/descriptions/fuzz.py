"""schemathesis, told how an NDJSON body is made: its own generators know JSON, and a batch's lines are strings to it.

Takes schemathesis' arguments.
"""

import json
import sys

import schemathesis
from hypothesis import strategies as st
from schemathesis.cli import schemathesis as run

RECEIPT = {
    "transaction_id": "fuzz-1",
    "timestamp": "2024-05-01T12:00:00Z",
    "items": [{"product_id": "espresso", "quantity": 2, "price": "2.50", "category": "coffee"}],
    "total_amount": "5.00",
    "tax_amount": "0.83",
    "tips_amount": "0.50",
    "payment_method": "card",
    "place_id": "cafe-1",
    "place_name": "Corner Cafe",
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
# A receipt with fields of any kind and any id, now and then a right one.
RECEIPTS = st.fixed_dictionaries(
    {},
    optional={field: VALUES | st.just(value) for field, value in RECEIPT.items()},
).map(lambda fields: {**RECEIPT, **fields})
LINES = (RECEIPTS | VALUES).map(json.dumps).map(str.encode) | st.binary(max_size=30)
BATCHES = st.lists(LINES, max_size=8).map(b"\n".join)

schemathesis.openapi.media_type("application/x-ndjson", BATCHES)
# Its strategy is for valid bodies too: of a batch, any bytes are one.
sys.exit(run())
