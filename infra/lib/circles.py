#!/usr/bin/env python3
"""No circle of imports between the files of a crate: prints each circle and ends with 1 if there is any.

    infra/lib/circles.py [FOLDER...]

FOLDER holds the root of a crate, `lib.rs` or `main.rs`, such as `projector/src`; without any, all crates of the workspace are looked at.

A file imports another one if a path in it names an item that the other file defines: in a `use`, or anywhere in the code, tests
included. A path is followed as the compiler does, through folders, inline modules and re-exports (`pub use`), so the import is of
the file that defines the item, not of one that only passes it on. `mod x;` imports nothing by itself. So a parent module may use
and re-export what its children define; it is a circle only if a child also names something that the parent's own file defines.
A glob (`use super::*`) imports the file it names if that file defines anything. A name that a module neither defines nor imports
comes from a macro of that module: it counts as defined in the module's file.

What it does not see: methods and fields of a value whose type is not named, and paths that a macro puts together. Files that a
macro declares are found all the same, because modules are taken from the folders, not from `mod` lines. The standard library only.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# These are left out: comments, texts and characters hold no code, and braces in them must not count.
NO_CODE = re.compile(
    r"""//[^\n]*|r(\#*)".*?"\1|b?"(?:\\.|[^"\\])*"|b?'(?:\\(?:u\{[^}]*\}|x..|.)|[^'\\])'""", re.S)
# The lifetime in `&'static Words` defines nothing.
DEFINITION = re.compile(r"(?<!')\b(?:fn|struct|enum|union|trait|type|const|static|macro_rules!)\s+(?:mut\s+)?([A-Za-z_]\w*)")
USE = re.compile(r"\b(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);")
PATH = re.compile(r"(?<![\w:$.])([A-Za-z_]\w*(?:\s*::\s*[A-Za-z_]\w*)+)")
INLINE_MODULE = re.compile(r"\bmod\s+([A-Za-z_]\w*)\s*\{")


def code_of(text):
    """The text without comments, strings and characters; block comments may nest."""
    while (changed := re.sub(r"/\*(?:(?!/\*|\*/).)*\*/", " ", text, flags=re.S)) != text:
        text = changed
    return NO_CODE.sub(lambda found: '""' if found[0][0] in "rb\"" else " ", text)


class Module:
    """A module: a file, or an inline `mod x { … }` of one."""

    def __init__(self, file, parent, name):
        self.file, self.parent, self.name = file, parent, name
        self.children, self.uses, self.globs, self.definitions, self.body = {}, {}, [], set(), ""
        if parent:
            parent.children[name] = self

    def root(self):
        return self.parent.root() if self.parent else self

    def read(self, code):
        """Takes the code of the module, and what its inline modules have for themselves."""
        while found := INLINE_MODULE.search(code):
            end = closing(code, found.end())
            Module(self.file, self, found[1]).read(code[found.end():end])
            code = code[:found.start()] + code[end + 1:]
        for found in USE.finditer(code):
            for path, name in leaves(found[2]):
                if name == "*":
                    self.globs.append(path)
                elif name != "_":
                    self.uses[name] = path
        self.body = USE.sub(" ", code)
        self.definitions = set(DEFINITION.findall(self.body))


def closing(code, start):
    """Where the brace opened before `start` is closed."""
    depth = 1
    for at in range(start, len(code)):
        depth += {"{": 1, "}": -1}.get(code[at], 0)
        if depth == 0:
            return at
    return len(code)


def leaves(tree):
    """The paths of a `use`, each with the name it gets."""
    tree = tree.strip()
    before, brace, rest = tree.partition("{")
    if brace:
        prefix = [part for part in re.split(r"\s*::\s*", before.strip()) if part]
        for branch in split(rest[:rest.rindex("}")]):
            for path, name in leaves(branch):
                path = prefix + path
                yield (path[:-1], name if name != "self" else path[-2]) if path[-1] == "self" else (path, name)
        return
    path, _, alias = re.sub(r"\s+", " ", tree).partition(" as ")
    parts = [part.strip() for part in path.split("::") if part.strip()]
    if parts and parts[-1] == "*":
        yield parts[:-1], "*"
    elif parts:
        yield parts, alias.strip() or parts[-1]


def split(text):
    """The branches between the commas that are in no braces of their own."""
    depth, branch = 0, ""
    for character in text:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "," and depth == 0:
            yield branch
            branch = ""
        else:
            branch += character
    if branch.strip():
        yield branch


def crate(folder):
    """The root modules of the crate in a folder, one a root file."""
    roots = []
    for entry in ("lib.rs", "main.rs"):
        if (folder / entry).exists():
            root = Module(folder / entry, None, "crate")
            root.read(code_of((folder / entry).read_text()))
            add_children(root, folder, {folder / "lib.rs", folder / "main.rs"})
            roots.append(root)
            break
    return roots


def add_children(module, folder, not_these=frozenset()):
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path in not_these or path.name in ("mod.rs", "bin"):
            continue
        file = path / "mod.rs" if path.is_dir() else path
        if file.suffix != ".rs" or not file.exists() or path.stem in module.children:
            continue
        child = Module(file, module, path.stem)
        child.read(code_of(file.read_text()))
        add_children(child, folder / path.stem)


def resolve(module, path, seen=frozenset()):
    """The module that defines what a path names, seen from a module; None where it is of another crate."""
    if not path or (module, tuple(path)) in seen:
        return None
    seen = seen | {(module, tuple(path))}
    first, rest = path[0], path[1:]
    if first == "crate":
        return within(module.root(), rest, seen)
    if first == "self":
        return within(module, rest, seen)
    if first == "super":
        return within(module.parent, rest, seen) if module.parent else None
    if first in module.children or first in module.uses or first in module.definitions:
        return within(module, path, seen)
    return from_globs(module, path, seen)


def within(module, path, seen, is_certain=True):
    """The module that defines a path, looked for in a module itself; None if it may be elsewhere and is not there."""
    if module is None or not path:
        return module
    first, rest = path[0], path[1:]
    if first in ("super", "self"):
        return within(module.parent if first == "super" else module, rest, seen, is_certain)
    if first in module.children:
        # A function may have the name of a module. Where the path goes on behind the name, the module is meant.
        return within(module.children[first], rest, seen, is_certain)
    if first in module.definitions:
        return module
    if first in module.uses:
        if (module, first) in seen:
            return None
        # `use x::y` looks for `x` in the module's own scope first. The use itself is left out of that, because it would
        # find itself.
        return resolve(module, module.uses[first] + rest, seen | {(module, first)})
    found = from_globs(module, path, seen)
    return module if found is None and is_certain else found


def from_globs(module, path, seen):
    for glob in module.globs:
        target = resolve(module, glob, seen)
        if target and target is not module and (found := within(target, path, seen | {(module, tuple(path))}, False)):
            return found
    return None


def modules(module):
    yield module
    for child in module.children.values():
        yield from modules(child)


def imports(root):
    """Each file's imports: `{file: {file: name}}`."""
    found = {}
    for module in modules(root):
        own = found.setdefault(module.file, {})
        named = [*module.uses.values(), *(re.split(r"\s*::\s*", path) for path in PATH.findall(module.body))]
        for path in named:
            target = resolve(module, path)
            if target and target.file != module.file:
                own.setdefault(target.file, "::".join(path))
        for glob in module.globs:
            target = resolve(module, glob)
            for file in [target.file] if target and target.definitions else []:
                if file != module.file:
                    own.setdefault(file, "::".join([*glob, "*"]))
    return found


def circles(graph):
    """The groups of files that all reach each other (Tarjan)."""
    order, low, stack, groups = {}, {}, [], []

    def visit(file):
        order[file] = low[file] = len(order)
        stack.append(file)
        for other in graph.get(file, {}):
            if other not in order:
                visit(other)
            if other in stack:
                low[file] = min(low[file], low[other])
        if low[file] == order[file]:
            group = stack[stack.index(file):]
            del stack[stack.index(file):]
            if len(group) > 1:
                groups.append(group)

    for file in graph:
        if file not in order:
            visit(file)
    return groups


def crates():
    for manifest in sorted(ROOT.glob("**/Cargo.toml")):
        if not {"target", ".till"} & set(manifest.relative_to(ROOT).parts):
            yield from (folder for folder in (manifest.parent / "src", *sorted(manifest.parent.glob("tests/*"))) if folder.is_dir())


def main():
    folders = [pathlib.Path(name).resolve() for name in sys.argv[1:]] or list(crates())
    failed = False
    for folder in folders:
        for root in crate(folder):
            graph = imports(root)
            for group in circles(graph):
                failed = True
                print(f"{folder.relative_to(ROOT)}: files that import each other in a circle:")
                for file in sorted(group):
                    for other in sorted(set(group) & set(graph[file])):
                        print(f"    {file.relative_to(folder)} -> {other.relative_to(folder)} ({graph[file][other]})")
    return failed


if __name__ == "__main__":
    sys.exit(main())
