#!/usr/bin/env python3
"""Doc comments that say something: ends with 1 if more than 6 % of them have three words or fewer.

    infra/lib/comments.py [FILE...]

Without FILE, every Rust file below a `src` folder of the repository is looked at, and the worst files are printed. With FILEs,
each short comment of these is printed with its line.

A doc comment is a run of lines that begin with `///`, or with `//!`. A word is what stands between spaces and has a letter or a
digit, so a link or a name in backticks is one. Such a comment mostly repeats the name below it: it should say the shape, the
unit, the error or the surprise, or be left out where nothing asks for it. The standard library only.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAX_SHARE = 0.06
MAX_WORDS = 3
WORST = 10
LINE = re.compile(r"\s*(///|//!)(?!/)(.*)")


def comments(text):
    """Each doc comment's first line number and its words."""
    begun, mark, words = 0, None, []
    for number, line in enumerate([*text.splitlines(), ""], 1):
        found = LINE.match(line)
        if mark and (not found or found[1] != mark):
            yield begun, words
            mark = None
        if found:
            if not mark:
                begun, mark, words = number, found[1], []
            words += [word for word in found[2].split() if re.search(r"\w", word)]


def sources():
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.rs"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    return [ROOT / name for name in names if "src" in pathlib.Path(name).parts and (ROOT / name).exists()]


def main():
    files = [pathlib.Path(name).resolve() for name in sys.argv[1:]]
    count, short = 0, {}
    for file in files or sources():
        for line, words in comments(file.read_text()):
            count += 1
            if len(words) <= MAX_WORDS:
                short.setdefault(file.relative_to(ROOT), []).append((line, " ".join(words)))
    found = sum(map(len, short.values()))
    share = found / count if count else 0
    worst = sorted(short.items(), key=lambda entry: -len(entry[1]))
    for file, lines in worst if files else []:
        for line, text in lines:
            print(f"{file}:{line}: {text}")
    for file, lines in worst[:WORST] if not files else []:
        print(f"{len(lines):>5}  {file}")
    print(f"{found} of {count} doc comments have {MAX_WORDS} words or fewer: {share:.1%}, at most {MAX_SHARE:.0%} may")
    return share > MAX_SHARE


if __name__ == "__main__":
    sys.exit(main())
