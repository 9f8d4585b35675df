"""What the documents say of the code: the settings with their defaults, and the files and folders they name. No build is needed.

Every setting of `*.toml`, from which each service's `--help` is made, stands in the first table of docs/operations.md with its
default, and that table has no other. Every TILL_* that a document names is a setting, or a variable of the scripts or tests. Every
path that a document puts between backticks, or links to, exists.

Every line printed says what is wrong; the end is 1 if anything is. The standard library only.
"""

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


def main():
    wrong = [*check_settings(), *check_names(), *check_paths()]
    for line in wrong:
        print(line)
    print(f"{len(wrong)} claims are wrong; {len(settings())} settings and {len(DOCUMENTS)} documents were looked at")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
