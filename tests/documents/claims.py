"""What the documents say of the code: the settings with their defaults, and the files and folders they name. No build is needed.

Every setting of `*.toml`, from which each service's `--help` is made, stands in the first table of docs/operations.md with its
default, and that table has no other. Every TILL_* that a document names is a setting, or a variable of the scripts or tests. Every
path that a document puts between backticks, or links to, exists. The tables of docs/domain.md that say which call is which command have
every command there is, every write that is described, and every command that the code behind the calls names.

Every line printed says what is wrong; the end is 1 if anything is. The standard library only.
"""

import json
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).parents[2]
DEFAULTS = ["runtime/common.toml", "runtime/vault.toml", "command-api/defaults.toml", "projector/defaults.toml", "analytics-worker/defaults.toml",
            "contracts/src/settings.toml"]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md")), *(f"{folder}/README.md" for folder in
             ("schemas", "domain", "runtime", "contracts", "command-api", "projector", "analytics-worker", "tests", "infra/load"))]
# Named by documents as what a user makes, or as what other programs have.
FOREIGN = re.compile(r"^(\.till|target|v\d)")
# The sections of docs/domain.md that tell calls, each with the descriptions of its routes and the code behind them.
CALLS = {
    "Contract 004 `restaurant`": (["projector/src/contracts/restaurant/restaurant.openapi.json"], "command-api/src/contracts/restaurant"),
    "Contract 003 `receipts`": ([f"projector/src/contracts/receipts/{service}.openapi.json" for service in ("producer", "consumer")],
                                "command-api/src/contracts/receipts"),
    "`/v1`": (["docs/openapi/command-api.json"], "command-api/src/http"),
}
# Told as a whole in the table: a long default, one that is another's, or a sample.
ELSEWHERE = {"the demo's", "the same", "see `--help`", "empty"}


def settings():
    found = {}
    for file in DEFAULTS:
        found |= tomllib.loads((ROOT / file).read_text())
    return found


def told_settings():
    """Names and defaults in the table of docs/operations.md."""
    section = (ROOT / "docs/operations.md").read_text().split("\n## ")[1]
    for row in re.findall(r"^\| (`.+?) \| (.+?) \|", section, re.M):
        names = re.findall(r"`(\w+)`", row[0])
        # A default between backticks may hold commas.
        defaults = [a or b for a, b in re.findall(r"((?:[^,`]*`[^`]*`)+)|([^,]+)", row[1])]
        yield names, [text.strip(" ,") for text in defaults if text.strip(" ,")]


def plain(value):
    if value == "":
        return "empty"
    return str(value).lower() if isinstance(value, bool) else str(value)


def check_settings():
    there, told = settings(), set()
    for names, defaults in told_settings():
        told |= set(names)
        if len(names) != len(defaults):
            yield f"docs/operations.md: {names} have the defaults {defaults}"
            continue
        for name, default in zip(names, defaults):
            if name not in there:
                yield f"docs/operations.md: there is no setting {name}"
            elif default not in ELSEWHERE and default.strip("`") != plain(there[name]):
                yield f"docs/operations.md: {name} is said to be {default}, but is {plain(there[name])}"
            elif default == "empty" and there[name] != "":
                yield f"docs/operations.md: {name} is said to be empty, but is {plain(there[name])}"
    for name in there.keys() - told:
        yield f"docs/operations.md: the setting {name} is not told"


def check_names():
    known = {f"TILL_{name.upper()}" for name in settings()} | {"TILL_CONFIG"}
    for file in ["till", "infra/contracts.txt", *ROOT.glob("infra/**/*.sh"), *ROOT.glob("*/src/**/*.rs"), *ROOT.glob("*/tests/**/*.rs")]:
        known |= set(re.findall(r"\bTILL_[A-Z_0-9]*[A-Z0-9]\b", (ROOT / file).read_text()))
    for document in DOCUMENTS:
        for name in set(re.findall(r"\bTILL_[A-Z_0-9]*[A-Z0-9]\b", (ROOT / document).read_text())) - known:
            if name not in ("TILL_KEY", "TILL_"):
                yield f"{document}: there is no setting {name}"


def check_paths():
    files = subprocess.run(["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard"], check=True, capture_output=True, text=True).stdout.split()
    tops = {file.split("/")[0] for file in files if "/" in file}
    for document in DOCUMENTS:
        text, folder = (ROOT / document).read_text(), (ROOT / document).parent
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            if "://" not in link and not (folder / link).exists():
                yield f"{document}: there is nothing at {link}"
        # A crate's own document names files of its crate, others any file, by the end of its path.
        own = "" if folder in (ROOT, ROOT / "docs", ROOT / "docs/adr") else f"{folder.relative_to(ROOT)}/"
        for path in set(re.findall(r"`((?:[\w.-]+/)*[\w-]+\.(?:rs|sh|md|toml|py|json|sql|template|yml|properties))`", text)):
            if not FOREIGN.match(path) and not any(f"/{file}".endswith(f"/{path}") for file in files if file.startswith(own)):
                yield f"{document}: there is no {path}"
        for path in set(re.findall(r"`((?:[\w-]+/)+[\w-]*)`", text)):
            if path.split("/")[0] in tops - {"target"} and not any((at / path).exists() for at in (ROOT, folder)):
                yield f"{document}: there is no {path}"


def commands():
    """Every command: the names in the `commands!` of the aggregates."""
    lists = (re.search(r"^commands! \{.*?;\n(.*?)^\}", file.read_text(), re.M | re.S) for file in ROOT.glob("domain/src/*/mod.rs"))
    return {name for found in lists if found for name in re.findall(r"^ +(\w+) =>", found[1], re.M)}


def writes(description):
    """The writes of a description, as `POST /v1/orders`."""
    paths = json.loads((ROOT / description).read_text())["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods if method != "get"}


def check_calls():
    known, told = commands(), set()
    events = {"".join(word.title() for word in folder.name.split("_")) for folder in (ROOT / "schemas/avro").iterdir() if folder.is_dir()}
    text = (ROOT / "docs/domain.md").read_text()
    leads_to = {event: set(re.findall(r"`(\w+)`", by)) for event, by in re.findall(r"^\| `(\w+)` \| .* \| ([^|]*) ?\|$", text.split("## Events")[1], re.M)}
    calls = text.split("\n## Which call is which command\n")[1].split("\n## ")[0]
    sections = {title: re.findall(r"^\| (?!call|command|-)(.*?) \| (.*?) \|(.*?)\|$", body, re.M)
                for title, _, body in (part.partition("\n") for part in calls.split("\n### ")[1:])}
    for title, rows in sections.items():
        here = set()
        for call, by, then in rows:
            # A row without a call begins with its command.
            names = set(re.findall(r"`([A-Z][a-z]\w+)`", by)) | {call.strip("`")} & known
            here |= names
            after = set(re.findall(r"`(\w+)`", then))
            yield from (f"docs/domain.md: {call}: there is no command {name}" for name in sorted(names - known))
            yield from (f"docs/domain.md: {call}: there is no event {event}" for event in sorted(after - events))
            yield from (f"docs/domain.md: {call}: {event} comes of another command" for event in sorted(after & leads_to.keys())
                        if not leads_to[event] & names)
        told |= here
        if title not in CALLS:
            continue
        descriptions, folder = CALLS[title]
        routes = {call for row in rows for call in re.findall(r"`([A-Z]+ /\S+)`", row[0])}
        there = set().union(*(writes(description) for description in descriptions))
        yield from (f"docs/domain.md: {title} has no row for {call}" for call in sorted(there - routes))
        yield from (f"docs/domain.md: {title} has no call {call}" for call in sorted(routes - there))
        code = "".join(file.read_text() for file in (ROOT / folder).glob("**/*.rs"))
        yield from (f"docs/domain.md: {title} has no {name}, which {folder} names" for name in sorted(known - here) if re.search(rf"\b{name}\b", code))
    yield from (f"docs/domain.md: no call leads to {name}, and no row says so" for name in sorted(known - told))
    yield from (f"docs/domain.md: there is no section {title}" for title in CALLS.keys() - sections.keys())


def main():
    wrong = [*check_settings(), *check_names(), *check_paths(), *check_calls()]
    for line in wrong:
        print(line)
    print(f"{len(wrong)} claims are wrong; {len(settings())} settings and {len(DOCUMENTS)} documents were looked at")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
