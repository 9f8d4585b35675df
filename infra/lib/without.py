#!/usr/bin/env python3
"""Prints a patch without one of the lines it adds to files that are there already.

    infra/lib/without.py PATCH          the lines that can be left out, each with its number
    infra/lib/without.py PATCH NUMBER   the patch without that line

A line that stands for others is put back as it was together with them: a run of `-` and `+` lines is one change. Files that the
patch makes are whole in every case.
"""

import pathlib
import re
import sys


def changes(lines):
    """Runs of changed lines in files that are there already, each as the range of its lines in the patch."""
    found, makes, begin = [], False, None
    for number, line in enumerate([*lines, " "]):
        if line.startswith("--- "):
            makes = line.startswith("--- /dev/null")
        is_change = line[:1] in "+-" and line[:1] and not line.startswith(("--- ", "+++ "))
        if is_change and begin is None:
            begin = number
        elif not is_change and begin is not None:
            run = range(begin, number)
            # In a run of additions alone, each line is a change of its own.
            alone = all(lines[index].startswith("+") for index in run)
            if not makes:
                found += [range(index, index + 1) for index in run] if alone else [run]
            begin = None
    return [run for run in found if any(lines[index][1:].strip() for index in run)]


def without(lines, left_out):
    """The patch with a change taken back. `patch` takes no hunk without a change, and no file without a hunk."""
    kept = []
    for number, line in enumerate(lines):
        if number not in left_out:
            kept.append(line)
        elif line.startswith("-"):
            kept.append(" " + line[1:])
    files = re.split(r"(?m)^(?=diff --git )", "\n".join(kept))
    return [line for file in files for line in with_hunks(file)]


def with_hunks(file):
    head, *hunks = re.split(r"(?m)^(?=@@ )", file)
    hunks = [hunk for hunk in map(recounted, hunks) if hunk]
    is_file = head.startswith("diff --git ")
    return [] if is_file and not hunks else [*head.splitlines(), *(line for hunk in hunks for line in hunk)]


def recounted(hunk):
    """The lines of a hunk, whose head says how many there are; none where nothing changes."""
    head, *body = hunk.splitlines()
    if not any(line[:1] in ("+", "-") for line in body):
        return []
    old = sum(line[:1] in (" ", "-", "") for line in body)
    new = sum(line[:1] in (" ", "+", "") for line in body)
    start, end = re.match(r"@@ -(\d+)(?:,\d+)? \+(\d+)", head).groups()
    return [f"@@ -{start},{old} +{end},{new} @@", *body]


def main():
    lines = pathlib.Path(sys.argv[1]).read_text().splitlines()
    found = changes(lines)
    if len(sys.argv) == 2:
        for number, run in enumerate(found):
            print(number, " / ".join(lines[index] for index in run if lines[index].startswith("+")))
        return
    print("\n".join(without(lines, found[int(sys.argv[2])])))


main()
