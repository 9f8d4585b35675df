"""Sends every example of the documents to a running deployment: what a reader copies must succeed, and be answered as is told.

`documents` runs the curl commands of README.md, docs/api.md and docs/contracts.md with curl itself. In an indented block a
command is followed, after a blank line, by its answer: the status, and where it is told the JSON and the headers. A block with
`curl` in it and no such answer is run as a script, whose every request must succeed. Of JSON the keys and the kinds of values are
compared, since ids and times differ; of headers the names, and `Location` whole.

`descriptions` sends what docs/openapi has for each operation, as Swagger UI fills its forms: the example of a body or else its
properties' examples, and those of all parameters. Reads are sent with only the parameters they must have, too.

Every line printed says what differs; the end is 1 if anything does. The standard library only.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

DOCUMENTS = ["README.md", "docs/api.md", "docs/contracts.md"]
ANSWER = re.compile(r"(\d{3})(?:\s|$)")
HEADER = re.compile(r"\b(Location|Till-Position|Retry-After|WWW-Authenticate)\b(?:: (\S+))?")
# Windows of figures are closed after their end; an answer that shows one is asked for until it does.
WITHIN_S = 90
# Accounts and receipts must be there before what needs them.
ORDER = [
    "/v1/auth/register", "/v1/auth/login", "/v1/auth/refresh", "/v1/auth/password", "/v1/auth/logout", "/v1/auth/logout-everywhere",
    "/v1/accounts/{number}/roles", "/v1/receipts/validate", "/v1/receipts", "/v1/receipts/batch", "/v1/customers", "/v1/sellers",
    "/v1/products", "/v1/products/{id}/stock", "/v1/orders", "/v1/orders/{id}/move", "/v1/orders/{id}/cancel",
]
# What an answer gives is what later requests send: nobody knows it before, so no example can tell it.
GIVEN = ("access_token", "refresh_token", "key")

# The shell that runs an example: curl tells the status of each answer beside its output, and keeps the headers.
SHELL = """
set -euo pipefail
curl() { command curl --silent --show-error --dump-header "$HEADERS" --write-out '%{stderr}status %{http_code}\\n' "$@"; }
"""


class Place:
    """The deployment, by the addresses that documents give it."""

    def __init__(self, chosen):
        self.addresses = {8080: chosen.front_door, 8130: chosen.producer, 8131: chosen.consumer, 8140: chosen.restaurant}
        self.front_door = chosen.front_door
        self.tokens = {}
        self.key = None

    def put_in(self, text):
        for port, url in self.addresses.items():
            text = text.replace(f"http://127.0.0.1:{port}", url)
        return text

    def token(self, name):
        if name not in self.tokens:
            body = json.dumps({"username": name, "password": name}).encode()
            status, _, answer = send("POST", f"{self.front_door}/v1/auth/login", body, {"Content-Type": "application/json"})
            if status != 200:
                raise RuntimeError(f"the login of {name} is answered {status}: {answer}")
            self.tokens[name] = json.loads(answer)["access_token"]
        return self.tokens[name]

    def terminal_key(self):
        """A key of the demo's account `terminal`, which it opens third."""
        if self.key is None:
            headers = {"Authorization": f"Bearer {self.token('admin')}"}
            status, _, answer = send("POST", f"{self.front_door}/v1/accounts/3/keys", b'{"label": "documents"}', headers)
            if status != 201:
                raise RuntimeError(f"a terminal's key is answered {status}: {answer}")
            self.key = json.loads(answer)["key"]
        return self.key


def send(method, url, body=None, headers=None):
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def blocks(text):
    """The indented blocks of a document, without their indentation, each with the number of its first line."""
    block, first = [], 0
    for number, line in enumerate([*text.splitlines(), "end"], 1):
        if line.startswith("    "):
            first = first or number
            block.append(line[4:])
        elif line.strip() or not block:
            if block:
                yield first, "\n".join(block).strip("\n")
            block, first = [], 0
        else:
            block.append("")


def examples(text):
    """Each command with the answer that is told, or without one."""
    for line, block in blocks(text):
        parts = [(part.start() + 1, part.group()) for part in re.finditer(r"(?:[^\n]+\n?)+", block)]
        if not any(ANSWER.match(part) for _, part in parts):
            if re.search(r"^\s*(?:\S+=\$\()?curl ", block, re.M):
                yield line, block, None
            continue
        for (_, command), (_, answer) in zip(parts, parts[1:]):
            if command.startswith("curl "):
                yield line, command, answer if ANSWER.match(answer) else None


def run(place, command, folder):
    headers = folder / "headers"
    tokens = {"TERMINAL": place.terminal_key(), **{name.upper(): place.token(name) for name in ("analyst", "admin")}}
    done = subprocess.run(
        ["bash", "-c", SHELL + place.put_in(command)], cwd=folder, capture_output=True, text=True, timeout=120,
        env={**os.environ, **tokens, "HEADERS": str(headers)},
    )
    statuses = [int(line.split()[1]) for line in done.stderr.splitlines() if line.startswith("status ")]
    body = done.stdout.replace("\r\n", "\n")
    if body.startswith("HTTP/"):
        body = body.split("\n\n", 1)[1]
    told = headers.read_text() if headers.exists() else ""
    return done.returncode, statuses, {k.lower(): v for k, v in re.findall(r"^([\w-]+): ([^\r\n]*)", told, re.M)}, body, done.stderr


def objects(text):
    """All JSON values in a text, whatever is between them."""
    decoder, at, found = json.JSONDecoder(), 0, []
    while (start := re.compile(r"[{\[]").search(text, at)) is not None:
        try:
            value, at = decoder.raw_decode(text, start.start())
            found.append(value)
        except ValueError:
            at = start.end()
    return found


def differ(told, found, where=""):
    """What of the JSON is not as told: other keys, another kind of value. None where it is."""
    if told is None or found is None:
        return None
    if isinstance(told, bool) != isinstance(found, bool) or not isinstance(found, type(told)):
        return f"{where or '/'} is {json.dumps(found, ensure_ascii=False)[:100]}, told is {json.dumps(told, ensure_ascii=False)[:100]}"
    if isinstance(told, dict):
        if told.keys() != found.keys():
            return f"{where or '/'} has the keys {sorted(found)}, told are {sorted(told)}"
        return next((d for key in told if (d := differ(told[key], found[key], f"{where}/{key}"))), None)
    if isinstance(told, list) and told:
        if not found:
            return f"{where or '/'} is empty"
        # One of a list is told; others may have empty lists of their own.
        differences = [differ(told[0], one, f"{where}/0") for one in found]
        return None if None in differences else differences[0]
    return None


def compare(answer, outcome):
    """What of an answer is not as told. None where it is."""
    code, statuses, headers, body, errors = outcome
    if answer is None:
        bad = [status for status in statuses if not 200 <= status < 300]
        return f"ended with {code}, answers {statuses}: {errors} {body[:300]}" if code or bad or not statuses else None
    status = int(ANSWER.match(answer).group(1))
    if code or statuses != [status]:
        return f"is answered {statuses}, told is {status}: {errors} {body[:300]}"
    for name, value in HEADER.findall(answer):
        if name.lower() not in headers:
            return f"has no {name}"
        if name == "Location" and value and headers["location"] != value:
            return f"has the Location {headers['location']}, told is {value}"
    told, found = objects(answer), objects(body)
    if len(told) > len(found):
        return f"has {len(found)} JSON values, told are {len(told)}: {body[:300]}"
    return next((d for one, other in zip(told, found) if (d := differ(one, other))), None)


def is_read(command):
    """Whether a command changes nothing, so that it may be sent again until its answer is there. A search has a body, and reads."""
    return "/search " in command or (" -d " not in command and "--data" not in command)


def documents(place, root, folder):
    count = 0
    for document in DOCUMENTS:
        for line, command, answer in examples((root / document).read_text()):
            count += 1
            deadline = time.monotonic() + WITHIN_S
            difference = compare(answer, run(place, command, folder))
            while difference and answer and is_read(command) and time.monotonic() < deadline:
                time.sleep(1)
                difference = compare(answer, run(place, command, folder))
            if difference:
                yield f"{document}, block of line {line}: `{command.splitlines()[0][:80]}` {difference}"
    if not count:
        yield "the documents have no example"
    print(f"{count} examples of documents were sent")


class Description:
    """An OpenAPI document."""

    def __init__(self, path):
        self.document = json.loads(path.read_text())

    def resolve(self, schema):
        while "$ref" in schema:
            name = schema["$ref"].removeprefix("#/components/schemas/")
            schema = self.document["components"]["schemas"][name]
        return schema

    def example(self, schema):
        """What Swagger UI fills a form with."""
        schema = self.resolve(schema)
        if "example" in schema:
            return schema["example"]
        if schema.get("examples"):
            return schema["examples"][0]
        if "enum" in schema:
            return schema["enum"][0]
        if "oneOf" in schema:
            return next(self.example(one) for one in schema["oneOf"] if one.get("type") != "null")
        kind = schema.get("type")
        if kind == "array":
            return [self.example(schema["items"])]
        if kind == "object":
            return {name: self.example(member) for name, member in schema.get("properties", {}).items()}
        return {"string": "string", "integer": 0, "number": 0, "boolean": True}[kind]

    def operations(self):
        return [(path, method, operation) for path, methods in self.document["paths"].items() for method, operation in methods.items()]

    def requests(self, path, method, operation):
        """Path, headers and body of each request that the examples of an operation make."""
        content = operation.get("requestBody", {}).get("content", {None: {}})
        parameters = operation.get("parameters", [])
        some, every = [p for p in parameters if p.get("required")], [p for p in parameters if p.get("required") or "example" in p]
        for media_type, body in content.items():
            # Reads are sent bare too; of writes, many can be made only once.
            for chosen in [some, every] if method == "get" else [every]:
                values = [(p["in"], p["name"], str(p["example"])) for p in chosen]
                url, headers = path, {} if media_type else {"Till-Consistency": "strong"}
                for kind, name, value in values:
                    if kind == "path":
                        url = url.replace(f"{{{name}}}", value)
                    elif kind == "header":
                        headers[name] = value
                query = "&".join(f"{name}={value}" for kind, name, value in values if kind == "query")
                sent = None
                if media_type:
                    headers["Content-Type"] = media_type
                    sent = body["example"] if "example" in body else self.example(body["schema"])
                    sent = (sent if isinstance(sent, str) else json.dumps(sent)).encode()
                yield f"{url}?{query}" if query else url, headers, sent


def turn(path, method):
    """When an operation has its turn: voids, closings and at last erasures come after all that needs what they end."""
    ends = 2 if method == "delete" else path.endswith(("/void", "/close"))
    return ends, ORDER.index(path) if path in ORDER else len(ORDER), path


def gives(path, text):
    """What an answer gives that later requests send. A terminal's key is named by its id."""
    found = next((found for found in objects(text) if isinstance(found, dict)), {})
    given = {name: found[name] for name in GIVEN if name in found}
    return {**given, "key": found["id"]} if "key" in given and path.endswith("/keys") else given


def with_given(given, path, url, body):
    if "{key}" in path and "key" in given:
        url = url.rsplit("/", 1)[0] + "/" + given["key"]
    if body and b'"refresh_token"' in body and "refresh_token" in given:
        body = json.dumps({"refresh_token": given["refresh_token"]}).encode()
    return url, body


def descriptions(place, root, _folder):
    count, position, given = 0, None, {}
    admin = place.token("admin")
    described = {service: Description(root / f"docs/openapi/{service}.json") for service in ("command-api", "projector")}
    operations = [(service, *one) for service in described for one in described[service].operations()]
    # What one service ends, the other one reads before.
    for service, path, method, operation in sorted(operations, key=lambda one: turn(one[1], one[2])):
        # Health is each service's own, not behind the front door.
        if not path.startswith("/v1/"):
            continue
        for url, headers, body in described[service].requests(path, method, operation):
            count += 1
            # A position is opaque, so a reader takes the one that a write was answered with.
            if "Till-Position" in headers and position:
                headers["Till-Position"] = position
            url, body = with_given(given, path, url, body)
            # Under /v1/auth/ everybody acts on the own account: here on that which the examples have registered.
            token = given.get("access_token", admin) if path.startswith("/v1/auth/") else admin
            headers["Authorization"] = f"Bearer {token}"
            status, told, text = send(method.upper(), place.front_door + url, body, headers)
            position = told.get("Till-Position") or position
            given.update(gives(path, text))
            if str(status) not in operation["responses"] or not 200 <= status < 300:
                yield f"{service}: {method.upper()} {url} {body and body.decode()[:300]} is answered {status}: {text[:300]}"
            elif re.search(r'"result":"(invalid|conflict|unavailable)"', text):
                yield f"{service}: {method.upper()} {url}: {text[:300]}"
    if not count:
        yield "the descriptions have no operation"
    print(f"{count} requests of descriptions were sent")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("what", choices=["documents", "descriptions"])
    arguments.add_argument("--front-door", required=True, metavar="URL")
    arguments.add_argument("--producer", required=True, metavar="URL", help="of the receipts contract")
    arguments.add_argument("--consumer", required=True, metavar="URL", help="of the receipts contract")
    arguments.add_argument("--restaurant", required=True, metavar="URL", help="the restaurant contract")
    arguments.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).parents[2], help="folder of the documents")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        send_all = documents if chosen.what == "documents" else descriptions
        differences = list(send_all(Place(chosen), chosen.root, pathlib.Path(folder)))
    for difference in differences:
        print(difference)
    print(f"{len(differences)} differences")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
