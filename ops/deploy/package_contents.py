"""Find which files of a deployment zip its functions can import, and which imports would fail.

The sources are read, not run: docs/decisions/0027-the-zip.md. As a program it reads the arguments of :func:`contents`
from standard input, and writes the needed names, the failing imports as sentences, and what was read of libraries to
standard output, both with :mod:`marshal`.
"""

from __future__ import annotations

import ast
import marshal
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, NamedTuple

RUNTIME_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
"""boto3 and what it needs: https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html (runtime-included SDKs)."""

NEVER_IMPORTED: Mapping[tuple[str, str], str] = {
    ("email_validator", "dns"): "it asks name servers whether an address can get mail, and Herald never lets it",
}
"""Imports of a library that Herald never reaches, and why. The imported library is left out unless others need it."""

_NAMES_NOTHING = ("aws_lambda_powertools/shared/lazy_import.py",)
"""Modules that import names which their caller gives, and that are never given a name of their own library."""


class Import(NamedTuple):
    """One import that a module makes."""

    module: str
    """Empty where the name is computed at run time, ``.`` where it is computed and in the same package."""
    names: tuple[tuple[str, str], ...] = ()
    """The names after ``from … import``, each with the name that it gets here."""
    must: bool = True
    """Whether a missing module is an error: not where an ``except ImportError`` handles it."""
    within: str = ""
    """The class or function that holds the import, or ``if`` for a condition; empty at the top of the module."""


Reading = tuple[Sequence[tuple[Any, ...]], frozenset[str]]
"""What was read in one module: its imports, and the names that it may define if it is a package. Each import is an
:class:`Import` or a tuple of the same values."""


@dataclass(frozen=True, slots=True)
class Missing:
    """An import that would fail."""

    module: str
    importer: str
    """The file that imports it."""
    needed_by: str
    """Herald's own file that needs the importer, or the same file."""

    def __str__(self) -> str:
        via = "" if self.needed_by == self.importer else f" (needed by {self.needed_by})"
        return (
            f"{self.importer}{via} imports {self.module}, which is not in the package for Lambda: add it to"
            " requirements.txt, put a module of your own into chalicelib/, or handle the ImportError"
        )


@dataclass(frozen=True, slots=True)
class Contents:
    """Which files belong in the package, and which imports would fail."""

    needed: frozenset[str]
    missing: tuple[Missing, ...]
    """The first missing import of each library."""
    read: Mapping[str, Reading]
    """What was read in libraries, by file. A later call with the same libraries takes it as ``known``."""


def contents(
    files: Mapping[str, bytes], ours: Collection[str], known: Mapping[str, Reading] = MappingProxyType({})
) -> Contents:
    """The files of a package that the modules of ``ours`` need; both by their names in the zip.

    Files that are ``known`` are not read again.

    A folder of a library is left out where none of its modules can be imported. Otherwise all of it stays, as another
    of its modules may be imported by a computed name. A library that imports computed names stays whole.
    """
    graph = _Graph(files, ours, known)
    folders = {str(PurePosixPath(file).parent) for file in graph.modules.values()}
    used = {str(PurePosixPath(file).parent) for file in graph.reached} - {"."}

    def is_needed(file: str) -> bool:
        # A folder without modules belongs to the nearest folder above that has some.
        home = next((str(each) for each in PurePosixPath(file).parents if str(each) in folders), ".")
        return file in ours or file in graph.reached or home in used or (home == "." and not file.endswith(".py"))

    needed = {file for file in files if is_needed(file)}
    gone = {file.partition("/")[0] for file in files if _lists_nothing(file, files, needed)}
    missing = {each.module.partition(".")[0]: each for each in reversed(graph.missing)}
    return Contents(
        frozenset(file for file in needed if file.partition("/")[0] not in gone),
        tuple(reversed(missing.values())),
        {file: reading for file, reading in graph.read.items() if file not in ours},
    )


def _lists_nothing(file: str, files: Mapping[str, bytes], needed: Collection[str]) -> bool:
    """Whether this is the file list of a library whose code is left out completely."""
    folder, _, name = file.partition("/")
    if name != "RECORD" or not folder.endswith(".dist-info"):
        return False
    listed = {line.split(",")[0] for line in files[file].decode().splitlines()}
    code = {each for each in listed if each in files and not each.startswith(folder)}
    return bool(code) and code.isdisjoint(needed)


class _Graph:
    """Follows imports, starting from Herald's own modules."""

    def __init__(self, files: Mapping[str, bytes], ours: Collection[str], known: Mapping[str, Reading]) -> None:
        self._files = files
        self._ours = ours
        self.modules = {name: file for file in files if (name := _module(file))}
        # A folder without an __init__.py is a package, too.
        self._packages = {each for name in self.modules for each in _with_parents(name)[:-1]}
        self.read = {**known}
        """What is known or was read, by file."""
        self._importable: dict[str, bool] = {}
        self.reached: set[str] = set()
        """The files of all modules that can be imported."""
        self.missing: list[Missing] = []
        self._follow()

    def _reading(self, module: str) -> Reading:
        file = self.modules[module]
        if file not in self.read:
            self.read[file] = _read(file, self._files[file], self._package(module))
        return self.read[file]

    def _imports(self, module: str) -> Iterator[Import]:
        return (Import(*each) for each in self._reading(module)[0])

    def _package(self, module: str) -> str:
        return module if self.modules[module].endswith("__init__.py") else module.rpartition(".")[0]

    def _follow(self) -> None:
        """Visit each module that can be imported, once for each reason.

        The reason says which imports of a library's module must succeed. "": those at its top, as it is imported. A
        name: those within that class or function, as Herald imports it. None: no import, as it may be missing.
        """
        names = {file: name for name, file in self.modules.items()}
        starts = [file for file in sorted(self._ours) if file in names]
        waiting: list[tuple[str, str | None, str]] = [(names[file], "", file) for file in starts]
        seen = set()
        while waiting:
            module, reason, needed_by = waiting.pop()
            if (module, reason) in seen:
                continue
            seen.add((module, reason))
            file = self.modules[module]
            self.reached.add(file)
            needed_by = file if file in self._ours else needed_by
            for each in self._imports(module):
                waiting += [(name, why, needed_by) for name, why in self._needs(module, each, reason, needed_by)]

    def _needs(self, module: str, it: Import, reason: str | None, needed_by: str) -> Iterator[tuple[str, str | None]]:
        """The modules that an import leads to, each with its reason; records missing ones."""
        file = self.modules[module]
        ours = file in self._ours
        library = module.partition(".")[0]
        if it.module in ("", "."):
            package = library if not it.module else self._package(module)
            if not ours and file not in _NAMES_NOTHING:
                yield from ((name, None) for name in self.modules if f"{name}.".startswith(f"{package}."))
            return
        must = it.must and (ours or it.within == reason)
        if (library, it.module.partition(".")[0]) in NEVER_IMPORTED or not (must or self._can_import(it.module)):
            return
        wanted = [it.module]
        for name, called in it.names:
            inner = f"{it.module}.{name}"
            if self._is_there(inner) or (must and not self._may_have(it.module, name)):
                wanted.append(inner)
            elif it.module in self.modules and it.must and (ours or called == reason):
                yield it.module, name
        for each in wanted:
            if self._is_there(each):
                yield from ((part, "" if must else None) for part in _with_parents(each) if part in self.modules)
            elif must and not self._is_brought(each):
                self.missing.append(Missing(each, file, needed_by))

    def _can_import(self, module: str) -> bool:
        """Whether importing a module would succeed. A circle of imports does not count against it."""
        if module not in self._importable:
            self._importable[module] = True
            self._importable[module] = (self._is_there(module) or self._is_brought(module)) and all(
                self._can_import(each.module)
                for part in _with_parents(module)
                if part in self.modules
                for each in self._imports(part)
                if each.must and not each.within and each.module not in ("", ".")
            )
        return self._importable[module]

    def _is_there(self, module: str) -> bool:
        return module in self.modules or module in self._packages

    def _is_brought(self, module: str) -> bool:
        top = module.partition(".")[0]
        return not self._is_there(top) and (top in sys.stdlib_module_names or top in RUNTIME_PACKAGES)

    def _may_have(self, package: str, name: str) -> bool:
        """Whether a package may define this name itself; True where the package's source is not here."""
        if not self.modules.get(package, "").endswith("__init__.py"):
            return True
        names = self._reading(package)[1]
        return name in names or "*" in names


def _module(file: str) -> str:
    """The name by which a file is imported; empty for a file that can't be."""
    path = PurePosixPath(file)
    if path.suffix not in (".py", ".so") or any("." in part or "-" in part for part in path.parts[:-1]):
        return ""
    name = path.name.partition(".")[0]
    return ".".join(path.parts[:-1] if name == "__init__" else (*path.parts[:-1], name))


def _with_parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _read(file: str, source: bytes, package: str) -> Reading:
    if not file.endswith(".py"):
        return [Import("")], frozenset()
    try:
        tree = ast.parse(source)
    except SyntaxError:  # Some libraries have files that only look like modules.
        return [], frozenset()
    reader = _Reader(source, tree, package)
    return reader.found, _bound(tree) if file.endswith("__init__.py") else frozenset()


def _bound(tree: ast.Module) -> frozenset[str]:
    """The names that a module may define; ``*`` where it may define any."""
    found = {"__name__", "__file__", "__path__", "__doc__"}
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Constant(value=str(name)):  # A constant may be part of __all__.
                found.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add("*" if name == "__getattr__" else name)
            case ast.alias():
                found.add(node.asname or node.name.partition(".")[0])
    return frozenset(found)


class _Reader:
    """Finds every import of one module."""

    def __init__(self, source: bytes, tree: ast.Module, package: str) -> None:
        self.found: list[Import] = []
        self._package = package.split(".")
        # Few modules import by a call, and searching for calls takes longer than everything else.
        self._calls = b"import_module" in source or b"__import__" in source
        self._below(tree.body, must=True, within="")

    def _below(self, nodes: Iterable[ast.AST], *, must: bool, within: str) -> None:
        for node in nodes:
            if self._calls or not isinstance(node, ast.expr):
                self._read(node, must, within)

    def _read(self, node: ast.AST, must: bool, within: str) -> None:
        inner = ast.iter_child_nodes(node)
        match node:
            case ast.Import():
                self.found += [Import(each.name, (), must, within) for each in node.names]
            case ast.ImportFrom():
                above = self._package[: len(self._package) - node.level + 1] if node.level else []
                module = ".".join([*above, *([node.module] if node.module else [])])
                names = tuple((each.name, each.asname or each.name) for each in node.names)
                self.found.append(Import(module, names, must, within))
            case ast.If() if _name(node.test) == "TYPE_CHECKING":  # Never true in a program that runs.
                self._below(node.orelse, must=must, within=within)
            case ast.If(test=ast.UnaryOp(op=ast.Not(), operand=test)) if _name(test) == "TYPE_CHECKING":
                self._below(node.body, must=must, within=within)
            case ast.If():
                self._below(inner, must=must and not _asks_where(node.test), within=within or "if")
            case ast.Try() | ast.TryStar():
                may_fail = any(map(_goes_on, node.handlers))
                self._below([*node.body, *node.handlers, *node.orelse], must=must and not may_fail, within=within)
                self._below(node.finalbody, must=must, within=within)
            case ast.With() if any(_suppresses(each.context_expr) for each in node.items):
                self._below(node.body, must=False, within=within)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self._below(inner, must=must, within=node.name if within in ("", "if") else within)
            case _:
                if isinstance(node, ast.Call) and _name(node.func) in ("import_module", "__import__"):
                    self.found.append(Import(_called_for(node), (), must, within))
                self._below(inner, must=must, within=within)


def _asks_where(test: ast.expr) -> bool:
    """Whether a condition asks for the Python version, the platform, or Chalice's command line."""
    return any(
        _name(each) in ("version_info", "platform") or (isinstance(each, ast.Constant) and each.value == _CHALICES)
        for each in ast.walk(test)
    )


_CHALICES = "AWS_CHALICE_CLI_MODE"
"""The variable that Chalice's command line sets, and Lambda never."""


def _called_for(call: ast.Call) -> str:
    """The module that a call imports, in the form of :attr:`Import.module`."""
    arguments = [*call.args, *(each.value for each in call.keywords)]
    match arguments:
        case [ast.Constant(value=str(name)), *_] if not name.startswith("."):
            return name
    own = any(_name(each) in ("__name__", "__package__") for it in arguments for each in ast.walk(it))
    return "." if own else ""


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


_CAUGHT = ("ImportError", "ModuleNotFoundError", "Exception", "BaseException")


def _goes_on(handler: ast.ExceptHandler) -> bool:
    """Whether the handler catches a missing module and raises no other error."""
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    catches = any(each is None or _name(each) in _CAUGHT for each in caught)
    return catches and not isinstance(handler.body[-1], ast.Raise)


def _suppresses(it: ast.expr) -> bool:
    return isinstance(it, ast.Call) and _name(it.func) == "suppress" and any(_name(each) in _CAUGHT for each in it.args)


if __name__ == "__main__":
    found = contents(*marshal.load(sys.stdin.buffer))  # noqa: S302 - from our own process
    read = {file: ([tuple(each) for each in imports], names) for file, (imports, names) in found.read.items()}
    marshal.dump((list(found.needed), [str(each) for each in found.missing], read), sys.stdout.buffer)
