"""A client of contract 004, `restaurant`, as its document has it: nothing of Till's code, the standard library only.

It sends raw requests and compares status, headers, key names and the spelling of numbers and times with what the contract says.
Every line it prints names a section and what differs; it ends with 1 if there is any.

`--plant FAULT` spoils every answer on purpose before it is looked at, to show that the comparison would notice.
"""

import argparse
import http.client
import itertools
import json
import re
import sys
import uuid
from urllib.parse import urljoin, urlsplit

from receipts_client import JSON, Answer, Report

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
NO_CLIENT = {"detail": "Cliente não encontrado"}
NO_PRODUCT = {"detail": "Produto não encontrado"}
NO_ORDER = {"detail": "Pedido não encontrado"}
DATABASE = {"detail": "Erro no banco de dados"}
UNKNOWN = 2**31 - 1
RUN = uuid.uuid4().hex[:12]

FAULTS = {
    "status": lambda answer: answer._replace_status(418),
    "headers": lambda answer: answer._replace_headers({}),
    "keys": lambda answer: answer._replace_text(re.sub(r'"(\w+)":', r'"x\1":', answer.text)),
    "numbers": lambda answer: answer._replace_text(re.sub(r":(-?\d+\.\d+)", r':"\1"', answer.text)),
    "times": lambda answer: answer._replace_text(re.sub(r"(\d{4}-\d\d-\d\d)T", r"\1 ", answer.text)),
    "messages": lambda answer: answer._replace_text(re.sub(r'"(detail|msg)":"[^"]*"', r'"\1":"?"', answer.text)),
}


class Service:
    """Base URLs, those that reads are sent to and those for all else, several of one kind in turn; each request on a connection of
    its own."""

    def __init__(self, writes, reads, fault):
        self.writes, self.reads = (itertools.cycle([urlsplit(url) for url in urls.split(",")]) for urls in (writes, reads))
        self.path, self.fault = urlsplit(writes.split(",")[0]).path.rstrip("/"), fault

    def send(self, method, path, body=None, raw=None):
        data = raw if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {} if data is None else {"Content-Type": JSON}
        url = next(self.reads if method == "GET" else self.writes)
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
        try:
            connection.request(method, self.path + path, data, headers)
            response = connection.getresponse()
            answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read().decode(errors="replace"))
        finally:
            connection.close()
        return answer if self.fault is None else FAULTS[self.fault](answer)

    def get(self, path):
        return self.send("GET", path)

    def post(self, path, body):
        return self.send("POST", path, body)

    def put(self, path, body):
        return self.send("PUT", path, body)

    def delete(self, path):
        return self.send("DELETE", path)


def wrong(*places):
    """What is answered to values at these places: a tuple of the place, and what is wrong with it."""
    said = {
        "missing": ("field required", "value_error.missing"),
        "null": ("none is not an allowed value", "type_error.none.not_allowed"),
        "integer": ("value is not a valid integer", "type_error.integer"),
        "float": ("value is not a valid float", "type_error.float"),
        "list": ("value is not a valid list", "type_error.list"),
        "dict": ("value is not a valid dict", "type_error.dict"),
        "datetime": ("invalid datetime format", "value_error.datetime"),
    }
    return {"detail": [{"loc": list(loc), "msg": said[what][0], "type": said[what][1]} for *loc, what in places]}


def product(service, name, price, category=1):
    """The id of a new product."""
    body = {"nome": f"{name} {RUN}", "categoria": category, "valor": price, "descricao": None}
    return service.post("/produtos/", body).true.body()["id"]


def client(service, name):
    """The id of a new client."""
    return service.post("/clientes/", person(name)).true.body()["id"]


def person(name, **changes):
    body = {"cpf": f"{name}-{RUN}", "nome": f"Nome {name}", "email": f"{name}@{RUN}", "telefone": "82999990000"}
    return {**body, "hashed_password": "segredo", **changes}


def order(service, buyer, *items):
    """A new order: its id, and the id of its payment."""
    body = {"id_cliente": buyer, "itens": [{"produto": product, "quantidade": quantity} for product, quantity in items]}
    placed = service.post("/pedidos/checkout/", body).true.body()
    return placed["id"], placed["id_pagamento"]


def of(listed, ids):
    """Those of a list that have one of these ids."""
    return [one for one in listed if one.get("id") in ids]


def products_are_kept(report, service):
    paths = ["/lanches/", "/acompanhamentos/", "/bebidas/", "/sobremesas/"]
    kept = []
    for number, path in enumerate(paths, 1):
        body = {"nome": f"Produto {number} {RUN}", "categoria": number, "valor": 25.5, "descricao": "com gelo", "ativo": True}
        answer = service.post("/produtos/", body)
        kept.append({"id": answer.true.body()["id"], **body})
        report.answer(f"a product of category {number}", answer, 200, kept[-1])
        listed = service.get(path)
        report.answer(path, listed, 200)
        report.equal(f"{path}: the product", json.dumps(of(listed.body(), [kept[-1]["id"]])), json.dumps(kept[-1:]))
    listed = service.get("/produtos/")
    report.answer("products", listed, 200)
    report.equal("products in order", json.dumps(of(listed.body(), [one["id"] for one in kept])), json.dumps(kept))

    first = kept[0]
    path = f"/produtos/{first['id']}"
    report.answer("one product", service.get(path), 200, first)
    change = {"id": first["id"], "categoria": 4, "valor": "194", "descricao": None}
    report.answer("a change", service.put("/produtos/", change), 200, {**first, "categoria": 4, "valor": 194.0})
    report.answer("the changed product", service.get(path), 200, {**first, "categoria": 4, "valor": 194.0})
    rounded = service.post("/produtos/", {"nome": "x", "categoria": 2, "valor": 0.125, "descricao": None})
    shown = {"id": rounded.true.body()["id"], "nome": "x", "categoria": 2, "valor": 0.13, "descricao": None, "ativo": True}
    report.answer("a price of three decimals", rounded, 200, shown)

    body = {"nome": "x", "categoria": 1, "valor": 1, "descricao": None}
    options = "1 - Lanches | 2 - Bebidas | 3 - Acompanhamentos | 4 - Sobremesa."
    no_category = {"detail": f"Categoria inválida. Opções de categoria: {options}"}
    no_price = {"detail": "Valor do produto inválido. Somente são aceitos valores decimais e positivos."}
    for category in (0, 5, None):
        report.answer(f"category {category}", service.post("/produtos/", {**body, "categoria": category}), 404, no_category)
    for price in (0, -1, None):
        report.answer(f"a price of {price}", service.post("/produtos/", {**body, "valor": price}), 404, no_price)
    report.answer("a change to no category", service.put("/produtos/", {**change, "categoria": 5}), 404, no_category)
    report.answer("no name", service.post("/produtos/", {**body, "nome": None}), 503, DATABASE)
    answer = service.post("/produtos/", {"nome": [], "categoria": "x", "valor": "x"})
    found = ["str type expected", "value is not a valid integer", "value is not a valid float", "field required"]
    report.answer("wrong types", answer, 422)
    report.equal("wrong types: messages", [one.get("msg") for one in answer.body().get("detail", [])], found)
    for unknown in ({**change, "id": None}, {**change, "id": UNKNOWN}):
        report.answer(f"a change of {unknown['id']}", service.put("/produtos/", unknown), 404, NO_PRODUCT)
    report.answer("an unknown product", service.get(f"/produtos/{UNKNOWN}"), 404, NO_PRODUCT)
    report.answer("a removal", service.delete(path), 200, True)
    for what, answer in (("read", service.get(path)), ("removed again", service.delete(path))):
        report.answer(f"a removed product, {what}", answer, 404, NO_PRODUCT)


def clients_are_kept(report, service):
    body = person("ana")
    answer = service.post("/clientes/", body)
    shown = {"id": answer.true.body()["id"], "cpf": body["cpf"], "nome": body["nome"], "username": None, "email": body["email"]}
    shown = {**shown, "telefone": body["telefone"], "ativo": True}
    path = f"/clientes/{shown['id']}"
    report.answer("a client", answer, 200, shown)
    report.answer("the client", service.get(path), 200, shown)
    listed = service.get("/clientes/")
    report.answer("clients", listed, 200)
    report.equal("clients: the client", json.dumps(of(listed.body(), [shown["id"]])), json.dumps([shown]))

    cpf_taken, email_taken = {"detail": "CPF já cadastrado"}, {"detail": "E-mail já cadastrado"}
    report.answer("the CPF again", service.post("/clientes/", {**body, "email": f"other@{RUN}"}), 409, cpf_taken)
    report.answer("the e-mail again", service.post("/clientes/", {**body, "cpf": f"other-{RUN}"}), 409, email_taken)
    for name in ("cpf", "nome", "email"):
        report.answer(f"no {name}", service.post("/clientes/", {**person("bia"), name: None}), 503, DATABASE)
    report.answer("no password", service.post("/clientes/", {"cpf": "x"}), 422, wrong(("body", "hashed_password", "missing")))

    change = {"id": shown["id"], "telefone": "1", "ativo": False, "hashed_password": "outro"}
    changed = {**shown, "telefone": "1", "ativo": False}
    report.answer("a change", service.put("/clientes/", change), 200, changed)
    report.answer("the changed client", service.get(path), 200, changed)
    other = client(service, "bia")
    report.answer("a taken CPF", service.put("/clientes/", {**person("bia"), "id": other, "cpf": body["cpf"]}), 409, cpf_taken)
    for number in (None, UNKNOWN):
        report.answer(f"a change of {number}", service.put("/clientes/", {**change, "id": number}), 404, NO_CLIENT)
    report.answer("an unknown client", service.get(f"/clientes/{UNKNOWN}"), 404, NO_CLIENT)
    report.answer("orders of a client without any", service.get(f"{path}/pedidos/"), 200, [])
    report.answer("orders of an unknown client", service.get(f"/clientes/{UNKNOWN}/pedidos/"), 200, [])
    report.answer("a removal", service.delete(path), 200, True)
    for what, answer in (("read", service.get(path)), ("removed again", service.delete(path))):
        report.answer(f"a removed client, {what}", answer, 404, NO_CLIENT)
    again = service.post("/clientes/", body)
    report.answer("its CPF is free", again, 200, {**shown, "id": again.true.body()["id"]})


def orders_are_placed(report, service):
    buyer, dear, cheap = client(service, "caio"), product(service, "Quarterão", 30.5), product(service, "Hamburger", 20.5)
    items = [
        {"produto": cheap, "quantidade": 5, "descricao": "sem tomate", "valor": 15.2},
        {"produto": dear, "quantidade": 3, "descricao": "com tomate", "valor": 11},
    ]
    answer = service.post("/pedidos/checkout/", {"id_cliente": buyer, "itens": items})
    placed = answer.body()
    shown = [{"produto": item["produto"], "quantidade": item["quantidade"], "descricao": item["descricao"]} for item in items]
    times = {"datahora_preparacao": None, "datahora_pronto": None, "datahora_finalizado": None}
    expected = {"id": answer.true.body()["id"], "status_pedido": 1, "itens": shown}
    expected = {**expected, "datahora_recebido": placed.get("datahora_recebido"), **times, "status_pagamento": 1}
    expected = {**expected, "id_pagamento": placed.get("id_pagamento"), "valor_total": 194.0, "cliente": buyer}
    report.answer("the document's order", answer, 200, expected)
    report.match("when it was received", placed.get("datahora_recebido"), MOMENT)
    report.match("its payment", placed.get("id_pagamento"), UUID)
    path = f"/pedidos/{expected['id']}"
    report.answer("the order", service.get(path), 200, expected)
    report.answer("its payment's status", service.get(f"{path}/status_pagamento/"), 200, "1")
    empty = service.post("/pedidos/checkout/", {"id_cliente": buyer, "itens": []})
    report.answer("no items", empty, 200)
    report.equal("no items: total", json.dumps(empty.body().get("valor_total")), "0.0")

    body = {"id_cliente": buyer, "itens": [{"produto": dear, "quantidade": 1}]}
    post = lambda **changes: service.post("/pedidos/checkout/", {**body, **changes})  # noqa: E731
    report.answer("an unknown client", post(id_cliente=UNKNOWN), 404, NO_CLIENT)
    report.answer("an unknown product", post(itens=[{"produto": UNKNOWN, "quantidade": 1}]), 404, NO_PRODUCT)
    quantity = {"detail": "A quantidade do item deve ser um inteiro positivo."}
    for number in (0, -1):
        report.answer(f"a quantity of {number}", post(itens=[{"produto": dear, "quantidade": number}]), 503, quantity)
    report.answer("a product twice", post(itens=body["itens"] * 2), 503, DATABASE)
    missing = wrong(("body", "itens", 0, "quantidade", "missing"), ("body", "itens", 1, "dict"))
    report.answer("wrong items", post(itens=[{"produto": dear}, 1]), 422, missing)
    report.answer("items that are no list", post(itens={}), 422, wrong(("body", "itens", "list")))
    report.answer("no client", post(id_cliente=None), 422, wrong(("body", "id_cliente", "null")))
    report.answer("an unknown order", service.get(f"/pedidos/{UNKNOWN}"), 404, NO_ORDER)
    report.answer("an unknown order's payment", service.get(f"/pedidos/{UNKNOWN}/status_pagamento/"), 404, NO_ORDER)


def payments_are_told(report, service):
    number, payment = order(service, client(service, "davi"), (product(service, "Suco", 7.5), 2))
    path = f"/pedidos/{number}/status_pagamento/"

    def tell(action, at="2015-03-25 10:04:58", payment=payment):
        body = {"id": payment, "type": "payment", "date_created": at, "user_id": 44444, "api_version": "v1", "action": action}
        return service.post("/pedidos/status_pagamento/", body)

    def told(what, answer, status):
        report.answer(what, answer, 200)
        found = answer.body()
        report.equal(f"{what}: the order", (found.get("id"), found.get("status_pagamento"), found.get("status_pedido")), (number, status, 1))
        report.equal(f"{what}: total", json.dumps(found.get("valor_total")), "15.0")
        report.answer(f"{what}: the status", service.get(path), 200, str(status))

    told("another action", tell("payment.created"), 1)
    told("finished", tell("state_FINISHED"), 2)
    told("finished again", tell("state_FINISHED"), 2)
    told("canceled earlier", tell("state_CANCELED", "2015-03-25 10:04:57"), 2)
    told("canceled later", tell("state_CANCELED", "2015-03-25T10:05:00"), 3)
    told("finished at a time that cannot be read", tell("state_FINISHED", "ontem"), 2)
    report.answer("an unknown payment", tell("state_FINISHED", payment=str(uuid.uuid4())), 404, NO_ORDER)
    names = ["id", "type", "date_created", "api_version", "action", "user_id"]
    missing = wrong(*[("body", name, "missing") for name in names])
    report.answer("nothing", service.post("/pedidos/status_pagamento/", {}), 422, missing)


def orders_are_corrected(report, service):
    buyer, other = client(service, "eva"), client(service, "fabio")
    number, payment = order(service, buyer, (product(service, "Batata", 10.5), 1))
    put = lambda **fields: service.put("/pedidos/", {"id": number, **fields})  # noqa: E731
    before = service.get(f"/pedidos/{number}").body()
    answer = put(status_pedido=4)
    report.answer("the document's correction", answer, 200, {**before, "status_pedido": 4})
    report.answer("back to the first", put(status_pedido=1), 200, {**before, "status_pedido": 1})
    answer = put(status_pedido=9, itens=[], datahora_pronto="2024-02-07T12:34:56", status_pagamento=3, cliente=other)
    after = {**before, "status_pedido": 9, "datahora_pronto": "2024-02-07T12:34:56", "status_pagamento": 3, "cliente": other}
    report.answer("all at once", answer, 200, after)
    report.answer("the corrected order", service.get(f"/pedidos/{number}"), 200, after)
    report.match("the corrected order: received", answer.body().get("datahora_recebido"), MOMENT)
    report.answer("its former client's orders", service.get(f"/clientes/{buyer}/pedidos/"), 200, [])
    report.answer("its client's orders", service.get(f"/clientes/{other}/pedidos/"), 200, [after])
    report.answer("another payment", put(id_pagamento=f"pagamento-{RUN}"), 200, {**after, "id_pagamento": f"pagamento-{RUN}"})
    body = {"type": "payment", "date_created": "", "user_id": 1, "api_version": "v1", "action": "state_FINISHED"}
    paid = {**after, "id_pagamento": f"pagamento-{RUN}", "status_pagamento": 2}
    for name in (f"pagamento-{RUN}", payment):
        report.answer(f"the webhook by {name}", service.post("/pedidos/status_pagamento/", {"id": name, **body}), 200, paid)
    report.answer("an unknown client", put(cliente=UNKNOWN), 404, NO_CLIENT)
    report.answer("no time", put(datahora_pronto="ontem"), 422, wrong(("body", "datahora_pronto", "datetime")))
    report.answer("no id", service.put("/pedidos/", {"status_pedido": 4}), 404, NO_ORDER)
    report.answer("an unknown order", service.put("/pedidos/", {"id": UNKNOWN}), 404, NO_ORDER)


def the_queue_is_in_order(report, service):
    buyer, drink = client(service, "gil"), product(service, "Água", 3.5, 3)
    numbers = [order(service, buyer, (drink, 1))[0] for _ in range(6)]
    statuses = [3, 1, 2, 4, 2, 3]
    for number, status in zip(numbers, statuses):
        report.answer(f"to status {status}", service.put("/pedidos/", {"id": number, "status_pedido": status}), 200)
    with_status = lambda status: [number for number, of in zip(numbers, statuses) if of == status]  # noqa: E731
    answer = service.get("/pedidos/")
    report.answer("the queue", answer, 200)
    found = [one["id"] for one in of(answer.body(), numbers)]
    report.equal("the queue's order", found, with_status(3) + with_status(2) + with_status(1))
    for status, name in enumerate(("recebidos", "empreparacao", "prontos", "finalizados"), 1):
        answer = service.get(f"/pedidos/{name}/")
        report.answer(name, answer, 200)
        report.equal(name, [one["id"] for one in of(answer.body(), numbers)], with_status(status))
    answer = service.get("/pedidos/fila/")
    report.answer("the line", answer, 200)
    found = of(answer.body(), numbers)
    report.equal("the line's orders", [one["id"] for one in found], with_status(1))
    report.equal("the line's items", json.dumps([(one.get("itens"), one.get("valor_total")) for one in found]), "[[[], 0.0]]")
    answer = service.get(f"/clientes/{buyer}/pedidos/")
    report.answer("the client's orders", answer, 200)
    found = [one.get("id") for one in answer.body()]
    report.equal("the client's orders, by status", found, [number for status in (1, 2, 3, 4) for number in with_status(status)])


def what_is_removed_is_gone(report, service):
    buyer, kept, gone = client(service, "hugo"), product(service, "Torta", 16.9, 4), product(service, "Bolo", 5, 4)
    number, payment = order(service, buyer, (kept, 2), (gone, 1))
    path = f"/pedidos/{number}"
    report.equal("the total", json.dumps(service.get(path).body().get("valor_total")), "38.8")
    report.answer("a product's removal", service.delete(f"/produtos/{gone}"), 200, True)
    for what, answer in (("read", service.get(path)), ("corrected", service.put("/pedidos/", {"id": number}))):
        report.answer(f"the order, {what}", answer, 200)
        items = [{"produto": kept, "quantidade": 2, "descricao": None}]
        report.equal(f"the order, {what}: items", answer.body().get("itens"), items)
        report.equal(f"the order, {what}: total", json.dumps(answer.body().get("valor_total")), "33.8")
    report.answer("a client with orders", service.delete(f"/clientes/{buyer}"), 503, DATABASE)
    report.answer("a removal", service.delete(path), 200, True)
    body = {"type": "payment", "date_created": "", "user_id": 1, "api_version": "v1", "action": "state_FINISHED"}
    for what, answer in (
        ("read", service.get(path)),
        ("removed again", service.delete(path)),
        ("corrected", service.put("/pedidos/", {"id": number})),
        ("paid", service.post("/pedidos/status_pagamento/", {"id": payment, **body})),
    ):
        report.answer(f"a removed order, {what}", answer, 404, NO_ORDER)
    report.answer("a client without orders", service.delete(f"/clientes/{buyer}"), 200, True)


def routes_are_as_fastapi_has_them(report, service):
    for method, path, to in (
        ("GET", "/", "/redoc"),
        ("GET", "/clientes", "/clientes/"),
        ("GET", "/produtos?a=1", "/produtos/?a=1"),
        ("GET", "/lanches", "/lanches/"),
        ("GET", "/pedidos", "/pedidos/"),
        ("GET", "/produtos/1/", "/produtos/1"),
        ("GET", "/redoc/", "/redoc"),
        ("GET", "/clientes/1/pedidos", "/clientes/1/pedidos/"),
        ("POST", "/produtos", "/produtos/"),
        ("PUT", "/pedidos", "/pedidos/"),
    ):
        answer = service.send(method, path)
        report.equal(f"{method} {path}: status", answer.status, 307)
        report.equal(f"{method} {path}: location", answer.headers.get("location"), service.path + to)
    not_found, not_allowed = {"detail": "Not Found"}, {"detail": "Method Not Allowed"}
    for method, path in (("GET", "/nothing"), ("POST", "/token"), ("GET", "/pedidos/1/nothing/"), ("DELETE", "/nothing/1")):
        report.answer(f"{method} {path}", service.send(method, path), 404, not_found)
    for method, path in (
        ("POST", "/pedidos/"),
        ("GET", "/pedidos/checkout/"),
        ("GET", "/pedidos/status_pagamento/"),
        ("POST", "/lanches/"),
        ("PUT", "/pedidos/1"),
        ("PATCH", "/clientes/"),
    ):
        report.answer(f"{method} {path}", service.send(method, path), 405, not_allowed)
    for path in ("/clientes/x", "/produtos/1.5", "/pedidos/fila"):
        report.answer(f"GET {path}", service.get(path), 422, wrong(("path", "id", "integer")))
    answer = service.send("POST", "/produtos/", raw=b'{"nome": ')
    report.answer("no JSON", answer, 422)
    report.equal("no JSON: keys", [sorted(one) for one in answer.body().get("detail", [])], [["loc", "msg", "type"]])
    report.answer("no object", service.send("POST", "/produtos/", raw=b"[]"), 422, wrong(("body", "dict")))
    report.answer("no body", service.send("POST", "/produtos/"), 422, wrong(("body", "missing")))


def redoc_loads_nothing_from_elsewhere(report, service):
    answer = service.get("/redoc")
    report.answer("/redoc", answer, 200, headers={"content-type": "text/html; charset=utf-8"})
    report.equal("/redoc: titles", re.findall("<title>(.*)</title>", answer.text), ["restauranteAPI - ReDoc"])
    report.equal("/redoc: hosts", re.findall(r"//[^\s\"'<>]+", answer.text), [])
    allowed = answer.headers.get("content-security-policy", "").split("; ")
    for directive in ("default-src 'none'", "script-src 'self'", "connect-src 'self'"):
        report.equal(f"/redoc may load {directive}", directive in allowed, True)
    scripts, documents = (re.findall(pattern, answer.text) for pattern in ('<script src="([^"]+)"', '<redoc spec-url="([^"]+)"'))
    report.equal("/redoc: scripts and documents", (len(scripts), len(documents)), (1, 1))
    kinds = ("text/javascript; charset=utf-8", JSON)
    for link, kind, word in zip([*scripts, *documents], kinds, ("redoc", "restauranteAPI")):
        url = urljoin(f"http://here{service.path}/redoc", link)
        report.equal(f"{link} is of the service", url.startswith(f"http://here{service.path}/"), True)
        answer = service.get(url.removeprefix(f"http://here{service.path}"))
        report.answer(link, answer, 200, headers={"content-type": kind})
        report.equal(f"{link} has {word}", word in answer.text, True)


def the_document_describes_what_is_served(report, service):
    answer = service.get("/docs/")
    report.answer("/docs/", answer, 200, headers={"content-type": "text/html"})
    links = re.findall(r'(?:src|href)="\./([^"]+)"', answer.true.text)
    report.equal("/docs/ has files", len(links) > 2, True)
    for link in links:
        report.equal(f"/docs/{link}: status", service.get(f"/docs/{link}").status, 200)
    redoc_loads_nothing_from_elsewhere(report, service)
    answer = service.get("/openapi.json")
    report.answer("openapi.json", answer, 200)
    report.equal("the title", answer.body().get("info", {}).get("title"), "restauranteAPI")
    paths = answer.body().get("paths", {})
    report.equal("the number of paths", len(paths), 19)
    for path, methods in answer.true.body()["paths"].items():
        for method in methods:
            sent = service.send(method.upper(), path.replace("{id}", str(UNKNOWN)), {} if method in ("post", "put") else None)
            report.equal(f"{method} {path} is served", sent.true.status == 405, False)
            report.equal(f"{method} {path} is described", str(sent.status) in methods[method]["responses"], True)


SECTIONS = [
    products_are_kept,
    clients_are_kept,
    orders_are_placed,
    payments_are_told,
    orders_are_corrected,
    the_queue_is_in_order,
    what_is_removed_is_gone,
    routes_are_as_fastapi_has_them,
    the_document_describes_what_is_served,
]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--restaurant", required=True, metavar="URLS", help="base URL; several, separated by commas, are used in turn")
    arguments.add_argument("--restaurant-reads", metavar="URLS", help="where GET has base URLs of its own")
    arguments.add_argument("--plant", choices=FAULTS, help="spoil every answer so")
    chosen = arguments.parse_args()
    service = Service(chosen.restaurant, chosen.restaurant_reads or chosen.restaurant, chosen.plant)
    report = Report()
    for section in SECTIONS:
        report.section = section.__name__
        try:
            section(report, service)
        except Exception as error:  # whatever an answer makes fail is a failure of its section
            report.fail(f"{type(error).__name__}: {error}")
    for failure in report.failures:
        print(failure)
    print(f"{len(report.failures)} differences in {len(SECTIONS)} sections")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
