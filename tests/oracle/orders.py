"""Orders and stock: folded from the log with rules and decimals of the oracle's own, and compared with what is read."""

from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
KITCHEN = ("received", "preparing", "ready", "finished")
# From which stage an order of /v1 may come into each stage. The restaurant's may come from any into any.
V1 = {
    "refused": {"placed"},
    "cancelled": {"placed", "received", "confirmed", "preparing", "ready"},
    "received": {"placed"},
    "confirmed": {"placed"},
    "finished": {"placed", "ready"},
    "preparing": {"received"},
    "ready": {"preparing"},
    "dispatched": {"confirmed"},
    "delivered": {"dispatched"},
}
FIRST = {"v1": {"placed", "received", "confirmed", "finished"}, "restaurant": {"received"}}
UNSOLD = {"refused", "cancelled"}


def name(ref):
    return ref["home"], ref["id"]


class Order:
    def __init__(self, event):
        self.rules, self.total, self.revision = event["rules"], event["total"], 0
        self.stage, self.payment = None, None
        self.lines = {line["line"]: line for line in event["lines"]}
        self.held, self.released, self.figures = set(), set(), {}
        self.is_reserving = event["reserve"]
        self.releasing = set()


def check(topics, reads):
    """What the log says of orders must follow from it, event by event, and the reads must say the same."""
    orders = {}
    for record in topics.committed("orders"):
        yield from fold_order(orders, record)
    stocks = {}
    for record in topics.committed("stock"):
        yield from fold_stock(stocks, record)
    yield from together(orders, stocks)
    if reads.base:
        for ref, order in orders.items():
            yield from compare(ref, order, reads)
        yield from compare_stocks(stocks, reads)
    held = sum(len(stock.held) for stock in stocks.values())
    print(f"orders: {len(orders)} orders, {len(stocks)} stocks, {held} reservations")
    if not orders:
        yield "there is no order"


def fold_order(orders, record):
    event, where = record.event, f"orders {record.place}"
    ref = name(event["order"])
    if record.type == "OrderPlaced":
        if ref in orders:
            yield f"{where}: {ref} is placed twice"
        order = orders[ref] = Order(event)
        yield from check_sums(where, event)
        if event["stage"] not in FIRST[order.rules]:
            yield f"{where}: a new order is {event['stage']}"
    elif ref not in orders:
        yield f"{where}: {record.type} of {ref}, which was never placed"
        return
    order = orders[ref]
    if event["head"]["revision"] != order.revision + 1:
        yield f"{where}: revision {event['head']['revision']} follows {order.revision}"
    order.revision += 1
    stage = event.get("stage", order.stage)
    if order.rules == "v1" and order.stage not in (None, stage) and order.stage not in V1.get(stage, ()):
        yield f"{where}: an order goes from {order.stage} to {stage}"
    order.stage, order.payment = stage, event.get("payment_status", order.payment)
    for share in event.get("shares", ()):
        key = share["scope"], str(share["seller"]), name(share["product"])
        sums = order.figures.setdefault(key, {"orders": 0, "quantity": Decimal(0), "sold": Decimal(0), "approved": Decimal(0), "refunded": Decimal(0)})
        for figure in sums:
            sums[figure] += share[figure]
    paid = sum(sums["approved"] - sums["refunded"] for sums in order.figures.values())
    if paid != (order.total if order.payment == "approved" else 0):
        yield f"{where}: {paid} of {order.total} is paid of {ref}, whose payment is {order.payment}"
    if record.type == "OrderStockSettled":
        if not order.is_reserving:
            yield f"{where}: the stock of {ref} is settled, and nothing was asked of it"
        order.is_reserving = False
        order.held |= {held["line"] for held in event["held"]}
    order.releasing |= set(event["release"]) if isinstance(event.get("release"), list) else set()
    if event.get("release"):
        order.is_reserving = False
    if record.type == "OrderStockReleased":
        yield from (f"{where}: line {line} comes back twice" for line in event["lines"] if line in order.released)
        order.released |= set(event["lines"])
    if stage in UNSOLD:
        for key, sums in order.figures.items():
            if sums["sold"] or sums["quantity"] or sums["orders"] or sums["approved"] != sums["refunded"]:
                yield f"{where}: the {stage} order {ref} leaves {sums} of {key}"


def check_sums(where, event):
    for line in event["lines"]:
        amount = (line["unit_price"] * line["quantity"]).quantize(CENT, ROUND_HALF_UP) - line["discount"]
        if line["amount"] != amount:
            yield f"{where}: line {line['line']} costs {line['amount']}, worked out {amount}"
    total = sum((line["amount"] for line in event["lines"]), Decimal(0))
    sold = sum((share["sold"] for share in event["shares"]), Decimal(0))
    if event["total"] != total or sold != total:
        yield f"{where}: the total is {event['total']}, its shares {sold}, worked out {total}"


class Stock:
    def __init__(self):
        self.available, self.revision, self.of_revision = Decimal(0), 0, 0
        self.answered, self.held = set(), {}


def fold_stock(stocks, record):
    event, where = record.event, f"stock {record.place}"
    stock = stocks.setdefault(name(event["product"]), Stock())
    if event["head"]["revision"] != stock.revision + 1:
        yield f"{where}: revision {event['head']['revision']} follows {stock.revision}"
    stock.revision += 1
    line = (*name(event["order"]), event["line"]) if "order" in event else None
    if record.type == "StockCounted":
        if event["of_revision"] <= stock.of_revision:
            yield f"{where}: the count of revision {event['of_revision']} follows that of {stock.of_revision}"
        stock.available, stock.of_revision = event["available"], event["of_revision"]
    elif record.type == "StockAdjusted":
        stock.available += event["change"]
    elif record.type in ("StockReserved", "StockRefused"):
        if line in stock.answered:
            yield f"{where}: {line} is answered twice"
        if record.type == "StockReserved":
            stock.available -= event["quantity"]
            stock.held[line] = event["quantity"]
    elif record.type == "StockReleased":
        if event["quantity"] != stock.held.pop(line, Decimal(0)):
            yield f"{where}: {event['quantity']} comes back of {line}, which held another quantity"
        stock.available += event["quantity"]
    if line:
        stock.answered.add(line)
    if event["available"] != stock.available or stock.available < 0:
        yield f"{where}: {event['available']} is available, worked out {stock.available}"


def together(orders, stocks):
    """What a stock holds is held by an order that stands, and what an order holds is held by its stock."""
    for product, stock in stocks.items():
        for home, order_id, line in stock.held:
            order = orders.get((home, order_id))
            if order is None or (line not in order.held and not order.is_reserving and line not in order.releasing):
                yield f"{product} holds a line of {home}/{order_id}, which does not hold it"
            elif line in order.released:
                yield f"{product} holds line {line} of {home}/{order_id}, which has given it back"
    for (home, order_id), order in orders.items():
        for line in order.held - order.releasing:
            stock = stocks.get(name(order.lines[line]["product"]))
            if stock is None or (home, order_id, line) not in stock.held:
                yield f"{home}/{order_id} holds line {line}, and its stock does not"
        if order.is_reserving:
            yield f"{home}/{order_id} waits for its stock"
        if order.releasing - order.released:
            yield f"{home}/{order_id} waits for the release of {order.releasing - order.released}"


def text(ref):
    """What /v1 names the aggregate by."""
    home, local_id = ref
    return f"{home.split('.')[0]}-{local_id}" if local_id else home


def compare(ref, order, reads):
    path = f"/v1/orders/{text(ref)}"
    answer = reads.get(path)
    read = answer["stage"], Decimal(answer["total"]), answer["payment_status"], answer["revision"]
    folded = order.stage, order.total, order.payment, order.revision
    if read != folded:
        yield f"{path} is {read}, folded {folded}"


def compare_stocks(stocks, reads):
    """What is left of the products that are on the lists."""
    left = {text(ref): stock.available for ref, stock in stocks.items()}
    for product in reads.pages("/v1/products", "products"):
        if product["counts_stock"] and Decimal(product["available"]) != left.get(product["id"], Decimal(0)):
            yield f"/v1/products/{product['id']} has {product['available']}, folded {left.get(product['id'])}"
