"""A client of contract 003, `receipts`, as its document has it: nothing of Till's code, the standard library only.

It sends raw requests to the producer and the consumer and compares status, headers, key names and the spelling of numbers and
times with what the contract says. Every line it prints names a section and what differs; it ends with 1 if there is any.

`--plant FAULT` spoils every answer on purpose before it is looked at, to show that the comparison would notice.
"""

import argparse
import http.client
import itertools
import json
import pathlib
import re
import sys
import time
import uuid
from decimal import Decimal
from urllib.parse import quote, urlsplit

MOMENT = re.compile(r"\d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d")
AMOUNT = re.compile(r"-?\d+\.\d\d")
JSON = "application/json"
REQUIRED = ["Обязательное поле."]
BLANK = ["Это поле не может быть пустым."]
NOT_BELOW_0 = ["Убедитесь, что это значение больше либо равно 0."]
NOT_BELOW_1 = ["Убедитесь, что это значение больше либо равно 1."]
NO_TOKEN = {"detail": "Учетные данные не были предоставлены."}
BAD_TOKEN = {"detail": "Недопустимый токен."}
NO_ACCESS = {"detail": "Пользователь не имеет доступа"}
RUN = uuid.uuid4().hex[:12]

FAULTS = {
    "status": lambda answer: answer._replace_status(418),
    "headers": lambda answer: answer._replace_headers({}),
    "keys": lambda answer: answer._replace_text(re.sub(r'"(\w+)":', r'"x\1":', answer.text)),
    "numbers": lambda answer: answer._replace_text(re.sub(r'"(-?\d+\.\d\d)"', r"\1", answer.text)),
    "times": lambda answer: answer._replace_text(re.sub(r"(\d\d)\.(\d\d)\.(\d{4}) ", r"\3-\2-\1T", answer.text)),
    "messages": lambda answer: answer._replace_text(re.sub("[а-я]", "а", answer.text)),
}


class Answer:
    def __init__(self, status, headers, text):
        self.status, self.headers, self.text = status, headers, text
        self.true = self

    def body(self):
        return json.loads(self.text)

    def _replace_status(self, status):
        return self._spoilt(Answer(status, self.headers, self.text))

    def _replace_headers(self, headers):
        return self._spoilt(Answer(self.status, headers, self.text))

    def _replace_text(self, text):
        return self._spoilt(Answer(self.status, self.headers, text))

    def _spoilt(self, answer):
        answer.true = self
        return answer


# What command-api serves of the contract; the rest is the projector's. nginx knows the same (contracts/src/receipts/*.nginx.conf).
WRITES = re.compile(r"/api/(add_)?checks|/auth/(?!user)")


class Service:
    """Base URLs, each for one kind of route, and several of one kind in turn; each request on a connection of its own."""

    def __init__(self, writes, reads, fault):
        self.writes, self.reads = (itertools.cycle([urlsplit(url) for url in urls.split(",")]) for urls in (writes, reads))
        self.path, self.fault = urlsplit(writes.split(",")[0]).path.rstrip("/"), fault

    def send(self, method, path, body=None, token=None, scheme="Token", raw=None):
        headers = {} if token is None else {"Authorization": f"{scheme} {token}".rstrip()}
        data = raw
        if body is not None:
            data = json.dumps(body, ensure_ascii=False).encode()
        if data is not None:
            headers["Content-Type"] = JSON
        url = next(self.writes if WRITES.match(path) else self.reads)
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
        try:
            connection.request(method, self.path + path, data, headers)
            response = connection.getresponse()
            answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read().decode(errors="replace"))
        finally:
            connection.close()
        return answer if self.fault is None else FAULTS[self.fault](answer)


class Report:
    def __init__(self):
        self.section, self.failures = "", []

    def fail(self, text):
        self.failures.append(f"{self.section}: {text}")

    def equal(self, what, found, expected):
        if found != expected:
            self.fail(f"{what} is {found!r}, not {expected!r}")

    def match(self, what, found, pattern):
        if not isinstance(found, str) or not pattern.fullmatch(found):
            self.fail(f"{what} is {found!r}, not like {pattern.pattern}")

    def answer(self, what, answer, status, body=..., headers=None):
        """Status, content type, and the whole body as it is, keys in order."""
        self.equal(f"{what}: status", answer.status, status)
        for name, value in (headers or {"content-type": JSON}).items():
            self.equal(f"{what}: {name}", answer.headers.get(name), value)
        if body is ...:
            return
        try:
            self.equal(f"{what}: body", json.dumps(answer.body(), ensure_ascii=False), json.dumps(body, ensure_ascii=False))
        except ValueError:
            self.fail(f"{what}: the body is not JSON: {answer.text[:200]!r}")


def check(name, **changes):
    """The document's own request, with an id of this run."""
    sample = {
        "transaction_id": f"{name}-{RUN}",
        "timestamp": "2024-02-07T12:34:56",
        "items": [
            {"product_id": "product_id_1", "quantity": 2, "price": 10.99, "category": "groceries"},
            {"product_id": "product_id_2", "quantity": 1, "price": 5.49, "category": "electronics"},
        ],
        "total_amount": 27.47,
        "nds_amount": 2.47,
        "tips_amount": 3.0,
        "payment_method": "credit_card",
        "place_id": f"011-{RUN}",
        "place_name": "Магазин №1",
    }
    return {**sample, **changes}


def echo(name, **changes):
    """What the producer answers to it."""
    items = [
        {"product_id": "product_id_1", "quantity": 2, "price": "10.99", "category": "groceries"},
        {"product_id": "product_id_2", "quantity": 1, "price": "5.49", "category": "electronics"},
    ]
    amounts = {"total_amount": "27.47", "nds_amount": "2.47", "tips_amount": "3.00"}
    return {**check(name), "timestamp": "07.02.2024 12:34:56", "items": items, **amounts, **changes}


def producer_takes_checks(report, producer, _consumer):
    post = lambda body: producer.send("POST", "/api/checks/", body)  # noqa: E731
    report.answer("the document's check", post(check("sample")), 201, echo("sample"))
    duplicate = {"transaction_id": ["Транзакция с таким transaction_id уже существует."]}
    report.answer("the same again", post(check("sample")), 400, duplicate)
    report.answer("another under its id", post(check("sample", total_amount=1)), 400, duplicate)
    zoned = check("zoned", timestamp="2024-02-07T12:34:56Z")
    report.answer("a time in UTC", post(zoned), 201, echo("zoned", timestamp="07.02.2024 15:34:56"))
    number = int(RUN, 16)
    answer = post(check("", transaction_id=number, items=[]))
    report.answer("a number as id, no items", answer, 201, echo("", transaction_id=str(number), items=[]))
    texts = check("texts", total_amount="27.47", nds_amount="2.4", tips_amount="0", unknown={"ignored": True})
    answer = post(texts)
    report.answer("numbers as texts", answer, 201, echo("texts", nds_amount="2.40", tips_amount="0.00"))
    wrong_total = check("wrong-total", total_amount=99)
    answer = post(wrong_total)
    report.answer("a total that is not the sum", answer, 201, echo("wrong-total", total_amount="99.00"))


def producer_refuses(report, producer, _consumer):
    post = lambda body: producer.send("POST", "/api/checks/", body)  # noqa: E731
    fields = list(check(""))
    report.answer("nothing", post({}), 400, {field: REQUIRED for field in sorted(fields)})
    without_tips = check("no-tips")
    del without_tips["tips_amount"]
    report.answer("no tips", post(without_tips), 400, {"tips_amount": REQUIRED})
    report.answer("tips null", post(check("null-tips", tips_amount=None)), 400, {"tips_amount": BLANK})
    report.answer("a total below 0", post(check("low", total_amount=-0.01)), 400, {"total_amount": NOT_BELOW_0})
    report.answer("a blank place", post(check("blank", place_id="  ")), 400, {"place_id": BLANK})
    decimals = ["Убедитесь, что вы ввели не более 2 цифры после запятой."]
    report.answer("three decimals", post(check("fine", nds_amount=0.001)), 400, {"nds_amount": decimals})
    items = check("items")["items"]
    items[1] = {**items[1], "quantity": 0, "price": -1}
    wrong_item = {"items": [{}, {"price": NOT_BELOW_0, "quantity": NOT_BELOW_1}]}
    report.answer("a wrong second item", post(check("items", items=items)), 400, wrong_item)
    no_list = {"items": {"non_field_errors": ['Ожидался list со значениями, но был получен "dict".']}}
    report.answer("items that are no list", post(check("dict", items={})), 400, no_list)
    answer = producer.send("POST", "/api/checks/", raw=b'{"transaction_id": ')
    report.answer("no JSON", answer, 400)
    report.match("no JSON: body", answer.text, re.compile(r'\{"detail":"JSON parse error - .+"\}'))
    known = {"tips_amount": REQUIRED, "transaction_id": ["Транзакция с таким transaction_id уже существует."]}
    without_tips["transaction_id"] = f"sample-{RUN}"
    report.answer("a known id and no tips", post(without_tips), 400, known)


def producer_routes(report, producer, _consumer):
    answer = producer.send("GET", "/api/checks/")
    report.answer("GET of checks", answer, 405, {"detail": 'Метод "GET" не разрешен.'})
    report.equal("GET of checks: allow", answer.headers.get("allow"), "POST")
    report.answer("POST to the list", producer.send("POST", "/api/ch/", {}), 405, {"detail": 'Метод "POST" не разрешен.'})
    for path in ("/api/checks", "/api/ch"):
        answer = producer.send("GET", path)
        report.equal(f"{path}: status", answer.status, 301)
        report.equal(f"{path}: location", answer.headers.get("location"), producer.path + path + "/")
        report.equal(f"{path}: body", answer.text, "")
    report.answer("no such path", producer.send("GET", "/api/nothing/"), 404, {"detail": "Не найдено."})
    report.answer("the root", producer.send("GET", "/"), 404)


def producer_lists_checks(report, producer, _consumer):
    answer = producer.send("GET", "/api/ch/")
    report.answer("the list", answer, 200)
    listed = {check.get("transaction_id"): check for check in answer.body()}
    for expected in (echo("sample"), echo("texts", nds_amount="2.40", tips_amount="0.00")):
        found = listed.get(expected["transaction_id"])
        report.equal("a check in the list", json.dumps(found), json.dumps(expected))


def register(consumer, name, password, again=None):
    body = {"username": f"{name}_{RUN}", "password1": password, "password2": password if again is None else again}
    return consumer.send("POST", "/auth/registration/", body)


def login(consumer, name, password):
    answer = consumer.send("POST", "/auth/login/", {"username": name, "password": password})
    return answer, answer.true.body().get("key", "")


def accounts_are_opened(report, _producer, consumer):
    answer = register(consumer, "ana", "secret")
    report.equal("a registration: status", answer.status, 204)
    report.equal("a registration: body", answer.text, "")
    taken = {"username": ["Пользователь с таким именем уже существует."]}
    report.answer("the name again", register(consumer, "ana", "secret"), 400, taken)
    short = {"password1": ["Введённый пароль слишком короткий. Он должен содержать как минимум 6 символов."]}
    report.answer("a short password", register(consumer, "bob", "short"), 400, short)
    differ = {"non_field_errors": ["Пароли не совпадают."]}
    report.answer("two passwords", register(consumer, "bob", "secret", "secrets"), 400, differ)
    nothing = consumer.send("POST", "/auth/registration/", {})
    report.answer("nothing", nothing, 400, {"password1": REQUIRED, "password2": REQUIRED, "username": REQUIRED})


def tokens_are_given_and_end(report, _producer, consumer):
    name = f"ana_{RUN}"
    refused = {"non_field_errors": ["Невозможно войти в систему с указанными учётными данными."]}
    report.answer("a wrong password", login(consumer, name, "wrong-secret")[0], 400, refused)
    report.answer("nobody", login(consumer, f"nobody_{RUN}", "secret")[0], 400, refused)
    answer, key = login(consumer, name, "secret")
    report.answer("a login", answer, 200)
    report.match("the key", answer.body().get("key"), re.compile("[0-9a-f]{40}"))
    report.equal("a login: keys", list(answer.body()), ["key"])
    report.equal("the key at another login", login(consumer, name, "secret")[1], key)

    user = consumer.send("GET", "/auth/user/", token=key, scheme="tOkEn")
    report.answer("the user", user, 200)
    report.equal("the user: keys", list(user.body()), ["pk", "username", "email", "first_name", "last_name"])
    report.equal("the user: name", user.body().get("username"), name)

    change = {"new_password1": "another secret", "new_password2": "another secret"}
    answer = consumer.send("POST", "/auth/password/change/", change, token=key)
    report.answer("another password", answer, 200, {"detail": "Новый пароль сохранён."})
    report.answer("the former password", login(consumer, name, "secret")[0], 400, refused)
    report.equal("the key after it", login(consumer, name, "another secret")[1], key)

    report.answer("a logout", consumer.send("POST", "/auth/logout/", token=key), 200, {"detail": "Успешно вышли из системы."})
    for path in ("/auth/user/", "/api/places/"):
        report.answer(f"{path} after it", consumer.send("GET", path, token=key), 401, BAD_TOKEN)
    report.answer("another logout", consumer.send("POST", "/auth/logout/", token=key), 401, BAD_TOKEN)
    later = login(consumer, name, "another secret")[1]
    if later == key:
        report.fail("a login after the logout gives the former key")
    report.answer("places with the later key", consumer.send("GET", "/api/places/", token=later), 200)


def strangers_are_refused(report, _producer, consumer):
    challenge = {"content-type": JSON, "www-authenticate": "Token"}
    admin, ana = login(consumer, "admin", "admin")[1], login(consumer, f"ana_{RUN}", "another secret")[1]
    for path in ("/api/places/", "/api/analytics/", "/api/analytics/011/", "/auth/user/"):
        report.answer(f"{path} without token", consumer.send("GET", path), 401, NO_TOKEN, challenge)
        other = consumer.send("GET", path, token=ana, scheme="Bearer")
        report.answer(f"{path} with another scheme", other, 401, NO_TOKEN, challenge)
        report.answer(f"{path} with a bad token", consumer.send("GET", path, token="0" * 40), 401, BAD_TOKEN, challenge)
    for path in ("/api/analytics/", "/api/analytics/011/"):
        report.answer(f"{path} as anybody", consumer.send("GET", path, token=ana), 401, NO_ACCESS)
        report.answer(f"{path} as admin", consumer.send("GET", path, token=admin), 401, NO_ACCESS)
    answer = consumer.send("GET", "/auth/login/")
    report.answer("GET of login", answer, 405, {"detail": 'Метод "GET" не разрешен.'})


def add_check(place, **changes):
    items = [{"quantity": 2, "price": 10, "category": "чай"}, {"quantity": 1, "price": 2.5, "category": "кофе"}]
    body = {"place_id": place, "place_name": "Первое", "total_amount": 22.5, "nds_amount": 2, "tips_amount": 1, "items": items}
    return {**body, **changes}


def consumer_takes_checks(report, _producer, consumer):
    post = lambda body: consumer.send("POST", "/api/add_checks/", body)  # noqa: E731
    place = f"added-{RUN}"
    items = [{"quantity": 2, "price": "10.00", "category": "чай"}, {"quantity": 1, "price": "2.50", "category": "кофе"}]
    amounts = {"total_amount": "22.50", "nds_amount": "2.00", "tips_amount": "1.00"}
    taken = {"place_id": place, "place_name": "Первое", **amounts, "items": items}
    more = {"transaction_id": "ignored", "timestamp": "ignored", "payment_method": ""}
    for time_ in ("first", "second"):
        report.answer(f"a check, the {time_} time", post({**add_check(place), **more}), 201, taken)
    answer = post(add_check(place, tips_amount=None, place_name="Другое"))
    report.answer("no tips", answer, 201, {**taken, "tips_amount": None, "place_name": "Другое"})
    negative = [{"quantity": -1, "price": -1.5, "category": "чай"}]
    answer = post(add_check(place, total_amount=-1.5, nds_amount=-0.5, tips_amount=-1, items=negative))
    shown = [{"quantity": -1, "price": "-1.50", "category": "чай"}]
    amounts = {"total_amount": "-1.50", "nds_amount": "-0.50", "tips_amount": "-1.00"}
    report.answer("negative numbers", answer, 201, {**taken, **amounts, "items": shown})
    fields = ["items", "nds_amount", "place_id", "place_name", "total_amount"]
    report.answer("nothing", post({}), 400, {field: REQUIRED for field in fields})


def places_are_listed(report, _producer, consumer):
    ana = login(consumer, f"ana_{RUN}", "another secret")[1]
    answer = consumer.send("GET", "/api/places/", token=ana)
    report.answer("places", answer, 200)
    places = {place.get("place_id"): place for place in answer.body()}
    for place_id, name in ((f"011-{RUN}", "Магазин №1"), (f"added-{RUN}", "Первое")):
        place = places.get(place_id, {})
        report.equal("a place: keys", list(place), ["place_id", "place_name", "date_create"])
        report.equal("a place: its first name", place.get("place_name"), name)
        report.match("a place: date_create", place.get("date_create"), MOMENT)


def figures_begin_empty(report, _producer, consumer):
    analyst = login(consumer, "analyst", "analyst")[1]
    for attempt in range(5):
        place = f"new/{attempt} ü-{RUN}".replace("/", "-")
        consumer.send("POST", "/api/add_checks/", add_check(place))
        answer = consumer.send("GET", f"/api/analytics/{quote(place)}/", token=analyst)
        expected = {"place_id": place, "place_name": "Первое", "total_purchases": 0, "average_receipt": "0.00"}
        expected = [{**expected, "taxes_amount": [], "category_analytics": []}]
        found = answer.true.body()
        if found and found[0].get("total_purchases") == 0:
            return report.answer("a new place", answer, 200, expected)
    report.fail("a new place has figures at once, five times")


def figures_are_worked_out(report, _producer, consumer):
    analyst = login(consumer, "analyst", "analyst")[1]
    place, deadline = f"added-{RUN}", time.monotonic() + 180
    while True:
        answer = consumer.send("GET", f"/api/analytics/{place}/", token=analyst)
        found = answer.true.body()
        # Three checks of 22.50 and one of -1.50, the last to come: its window holds a category row of another sum.
        if found and found[0].get("total_purchases") == 4:
            break
        if time.monotonic() > deadline:
            return report.fail(f"no run of the worker has all checks: {answer.text[:300]}")
        time.sleep(0.5)
    report.answer("the place", answer, 200)
    figures = answer.body()[0]
    keys = ["place_id", "place_name", "total_purchases", "average_receipt", "taxes_amount", "category_analytics"]
    report.equal("the place: keys", list(figures), keys)
    report.equal("the place: average", figures.get("average_receipt"), "16.50")
    taxes, categories = figures.get("taxes_amount", []), figures.get("category_analytics", [])
    for row in taxes:
        report.equal("a tax row: keys", list(row), ["total_nds", "total_tips", "date_create"])
        amounts(report, "a tax row", row, ["total_nds", "total_tips"])
    total = lambda rows, key: sum(Decimal(str(row.get(key, 0))) for row in rows)  # noqa: E731
    report.equal("nds of all rows", total(taxes, "total_nds"), Decimal("5.50"))
    report.equal("tips of all rows", total(taxes, "total_tips"), Decimal("1.00"))
    spent = {}
    for category in categories:
        report.equal("a category: keys", list(category), ["category", "cat_analytics"])
        rows = category.get("cat_analytics", [])
        for row in rows:
            report.equal("a category row: keys", list(row), ["total_spent", "average_receipt", "date_create"])
            amounts(report, "a category row", row, ["total_spent", "average_receipt"])
        spent[category.get("category")] = total(rows, "total_spent")
        dates = [row.get("date_create") for row in rows]
        report.equal("a category's windows", dates, [row.get("date_create") for row in taxes][-len(dates) :])
    report.equal("spent by category", spent, {"чай": Decimal("61.50"), "кофе": Decimal("7.50")})
    listed = consumer.send("GET", "/api/analytics/", token=analyst)
    report.answer("all places", listed, 200)
    report.equal("the place among all", sum(row.get("place_id") == place for row in listed.body()), 1)
    nothing = consumer.send("GET", "/api/analytics/unknown-place/", token=analyst)
    report.answer("an unknown place", nothing, 200, [])


def amounts(report, what, row, names):
    for name in names:
        report.match(f"{what}: {name}", row.get(name), AMOUNT)
    report.match(f"{what}: date_create", row.get("date_create"), MOMENT)


def journals_are_kept(report, folder):
    at = r"\d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d"
    line = f"Записана транзакция, время: {at}, id чека: sample-{RUN}, время по чеку: 07.02.2024 12:34:56, всего наименований товаров: 2"
    # Lines are written beside the answer, not before it.
    deadline = time.monotonic() + 10
    while True:
        lines = (folder / "journal.csv").read_bytes().decode("cp1251").splitlines()
        found = sum(bool(re.fullmatch(line, entry)) for entry in lines)
        if found or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    report.equal("the check's lines in journal.csv", found, 1)
    lines = (folder / "journal.txt").read_text().splitlines()
    report.equal("journal.txt has lines", bool(lines), True)
    for entry in lines[-100:]:
        report.match("a line of journal.txt", entry, re.compile(f"Выполнен расчет аналитических данных, время: {at}"))


def documents_describe_what_is_served(report, producer, consumer):
    for name, service, routes in (
        ("producer", producer, {"/api/checks/", "/api/ch/"}),
        ("consumer", consumer, {"/api/add_checks/", "/api/places/", "/api/analytics/", "/auth/registration/", "/auth/login/"}),
    ):
        for page in ("/swagger/", "/redoc/"):
            answer = service.send("GET", page)
            report.answer(f"{name}'s {page}", answer, 200, headers={"content-type": "text/html"})
            links = re.findall(r'(?:src|href)="\./([^"]+)"', answer.true.text)
            report.equal(f"{name}'s {page} has files", len(links) > 2, True)
            for link in links:
                report.equal(f"{name}'s {page}{link}: status", service.send("GET", page + link).status, 200)
        answer = service.send("GET", "/swagger.json")
        report.answer(f"{name}'s swagger.json", answer, 200)
        paths = answer.body().get("paths", {})
        report.equal(f"{name}'s routes", routes - paths.keys(), set())
        for path, methods in answer.true.body()["paths"].items():
            for method in methods:
                answer = service.send(method.upper(), path.replace("{place_id}", "011"), {} if method == "post" else None)
                report.equal(f"{name}'s {method} {path} is served", answer.true.status in (404, 405), False)
                report.equal(f"{name}'s {method} {path} is described", str(answer.status) in methods[method]["responses"], True)


SECTIONS = [
    producer_takes_checks,
    producer_refuses,
    producer_routes,
    producer_lists_checks,
    accounts_are_opened,
    tokens_are_given_and_end,
    strangers_are_refused,
    consumer_takes_checks,
    places_are_listed,
    figures_begin_empty,
    figures_are_worked_out,
    documents_describe_what_is_served,
]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("producer", "consumer"):
        arguments.add_argument(f"--{name}", required=True, metavar="URLS", help="base URL; several, separated by commas, are used in turn")
        arguments.add_argument(f"--{name}-reads", metavar="URLS", help="where the projector's routes have base URLs of their own")
    arguments.add_argument("--journals", type=pathlib.Path, help="folder of the journals, to look at them too")
    arguments.add_argument("--plant", choices=FAULTS, help="spoil every answer so")
    chosen = arguments.parse_args()
    producer = Service(chosen.producer, chosen.producer_reads or chosen.producer, chosen.plant)
    consumer = Service(chosen.consumer, chosen.consumer_reads or chosen.consumer, chosen.plant)
    report = Report()
    sections = [(section.__name__, lambda section=section: section(report, producer, consumer)) for section in SECTIONS]
    if chosen.journals:
        sections.append(("journals_are_kept", lambda: journals_are_kept(report, chosen.journals)))
    for report.section, run in sections:
        try:
            run()
        except Exception as error:  # whatever an answer makes fail is a failure of its section
            report.fail(f"{type(error).__name__}: {error}")
    for failure in report.failures:
        print(failure)
    print(f"{len(report.failures)} differences in {len(sections)} sections")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
