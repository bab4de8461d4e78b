"""Decide what the deployment zip holds and how: our code beside its bytecode, packages of the lock as bytecode alone.

Chalice packs requirements whole and without bytecode, and asks pip for whatever ``requirements.txt`` allows. Here:

- packages come from ``locks/``, each checked against its hash, and the same sources make the same zip, bit for bit
  (docs/decisions/0043-locks-and-the-same-zip.md);
- files that no function can import are left out, and an import that would fail is an error
  (docs/decisions/0027-the-zip.md).

Chalice's process imports this module beside the code that it packs, so it imports nothing else of Herald.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import marshal
import subprocess
import sys
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from importlib.util import cache_from_source
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo, is_zipfile

from chalice.deploy import packager
from chalice.utils import UI, OSUtils

_INSTALLER_FILES = ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json")
_JINJA2 = ("constants", "ext", "meta", "nativetypes", "sandbox")
LEFT_OUT = {
    "charset_normalizer/*.so": "compiled copies of modules that are there in Python; Herald never guesses an encoding",
    "*__mypyc.*.so": "part of those compiled copies",
    "markupsafe/_speedups.*": "a compiled copy of a module that is there in Python",
    **dict.fromkeys((f"jinja2/{name}.py" for name in _JINJA2), "Herald's templates need none of it"),
    "charset_normalizer/cli/*": "no command is run in Lambda",
    **dict.fromkeys(
        ("*/__main__.py", "exifread/cli.py", "idna/cli.py", "requests/help.py"), "no command is run in Lambda"
    ),
    "urllib3/contrib/pyopenssl.py": "for a Python whose own TLS names no server",
    "urllib3/contrib/socks.py": "no proxy is used",
    "urllib3/http2/connection.py": "needs a package that is not here",
    "bin/*": "no command is run in Lambda",
    ".lock": "uv's lock on the folder that it installs into",
    **{f"*.dist-info/{name}": "how the package was installed" for name in _INSTALLER_FILES},
}
"""Files left out although a function could import them, by pattern, and why no function needs them.
tests/infrastructure/test_package.py runs every function without them."""

_KEPT_IN = Path(__file__).resolve().parents[2] / ".herald/packing"
"""The folder for what :class:`_Kept` keeps."""
_PACKAGES = Path(__file__).resolve().parents[1] / "packages.py"
_TIME = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the zip: the earliest that the format can hold."""
_MODE = 0o100644 << 16


class LeanPackager(packager.LambdaDeploymentPackager):
    """Packs an app for Lambda: a smaller zip than Chalice's own, and one that starts sooner."""

    def create_deployment_package(self, project_dir: str, python_version: str) -> str:
        expected = Path(self.deployment_package_filename(project_dir, python_version))
        if expected.exists() and not is_zipfile(expected):
            expected.unlink()  # A run that was killed wrote a part of it, and Chalice would use that.
        self._osutils.ZIP_DEFLATED = ZIP_STORED  # What stays in the zip is compressed by finish().
        package: str = super().create_deployment_package(project_dir, python_version)
        vendor = Path(project_dir, "vendor")
        finish(Path(package), [path.relative_to(vendor).as_posix() for path in vendor.rglob("*")])
        expected.with_name("current").write_text(expected.name, encoding="utf-8")
        return package

    # Chalice names a package by a hash. The lock is hashed instead of the requirements, as it lists all that is packed;
    # bytecode is not, as importing ``app.py`` writes some; and files are sorted, as each file system lists its own way.

    def _get_requirements_filename(self, project_dir: str) -> str:
        return str(Path(project_dir, "locks/requirements.txt"))

    def _iter_chalice_lib_if_needed(self, project_dir: str) -> Iterator[tuple[str, str]]:
        for file, name in sorted(super()._iter_chalice_lib_if_needed(project_dir)):
            if "__pycache__" not in Path(name).parts:
                yield file, name

    def _hash_vendor_dir(self, vendor_dir: str, md5: Any) -> None:
        for file in sorted(Path(vendor_dir).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                md5.update(f"{file.relative_to(vendor_dir).as_posix()}\n".encode() + file.read_bytes())


class KeptPackager(LeanPackager):
    """Uses the package that a release kept, and packs nothing."""

    def create_deployment_package(self, project_dir: str, python_version: str) -> str:
        return str(next(Path(project_dir, ".chalice/deployments").glob("*.zip")))


class LockedDependencies:
    """Installs the packages of a lock into a folder, in place of Chalice's builder, which asks pip."""

    def __init__(self, osutils: object = None, pip_runner: object = None, architecture: str = "x86_64") -> None:
        self._machine = {"arm64": "aarch64"}.get(architecture, architecture)

    def build_site_packages(self, abi: str, requirements_filepath: str, target_directory: str) -> None:
        python = f"{abi[2]}.{abi[3:]}"  # From cp312.
        unpack = ["unpack", target_directory, requirements_filepath, python, self._machine]
        if subprocess.run([sys.executable, "-P", str(_PACKAGES), *unpack]).returncode:
            sys.exit("Chalice got no packages for the zip; nothing was deployed.")


def finish(package: Path, vendored: Collection[str] = (), kept_in: Path = _KEPT_IN) -> None:
    """Rewrite a package: leave out unneeded files, add bytecode to our modules, and put it in the place of libraries'.

    A package that has bytecode is left as it is. Ends the process where an import of a function would fail.

    Python loads the bytecode without looking at a source (PEP 552), because a zip does not keep the times of files.
    It does so only for the Python version that made it, which is the one that Chalice deploys for.
    Of a library's ``METADATA`` the fields stay, and the text that a registry shows goes.
    Order, times and permissions are fixed, so the same files make the same zip.
    """
    with ZipFile(package) as old:
        if cache_from_source("app.py") in old.namelist():
            return
        files = {name: old.read(name) for name in sorted(old.namelist()) if not name.endswith((".pyc", "/"))}
    ours = [name for name in files if name == "app.py" or name.startswith("chalicelib/") or name in vendored]
    wanted = needed(files, ours, kept_in)
    files = {
        name: content
        for name, content in files.items()
        if name in wanted and not any(fnmatchcase(name, pattern) for pattern in LEFT_OUT)
    }
    sources = {name: files[name] for name in sorted(files) if name.endswith(".py")}
    for name, bytecode in compiled({name: it for name, it in sources.items() if name in ours}, kept_in).items():
        files[cache_from_source(name)] = bytecode
    for name, bytecode in compiled({name: it for name, it in sources.items() if name not in ours}, kept_in).items():
        del files[name]
        files[f"{name}c"] = bytecode
    for name in [name for name in files if name.endswith(".dist-info/METADATA")]:
        files[name] = files[name].partition(b"\n\n")[0] + b"\n"
    rewritten = package.with_suffix(".new")
    with ZipFile(rewritten, "w", ZIP_DEFLATED, compresslevel=9) as new:
        for name in sorted(files):
            entry = ZipInfo(name, _TIME)
            entry.create_system, entry.external_attr = 3, _MODE
            new.writestr(entry, files[name], ZIP_DEFLATED)
    rewritten.replace(package)


def needed(files: dict[str, bytes], ours: list[str], kept_in: Path) -> set[str]:
    """The names of the files that belong in the zip; ends the process with a sentence for each missing library."""
    program = Path(__file__).resolve().with_name("package_contents.py")
    libraries = {name: files[name] for name in sorted(files) if name.endswith(".py") and name not in ours}
    kept = _Kept(kept_in, program.read_bytes(), libraries)
    names, missing, read = _answered([sys.executable, "-I", "-S", str(program)], (files, ours, kept.value))
    kept.keep(read)
    if missing:
        sys.exit("\n".join(missing))
    return set(names)


_COMPILE = """
import ast, marshal, sys
from importlib.util import MAGIC_NUMBER, source_hash
found = {}
for name, source in marshal.load(sys.stdin.buffer).items():
    try:
        tree = ast.parse(source)
        for part in ast.walk(tree):
            if isinstance(part, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                if ast.get_docstring(part, clean=False) is not None:
                    part.body[:1] = [] if part.body[1:] else [ast.copy_location(ast.Pass(), part.body[0])]
        code = compile(tree, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        continue
    head = MAGIC_NUMBER + (1).to_bytes(4, "little") + source_hash(source)
    found[name] = head + marshal.dumps(code)
marshal.dump(found, sys.stdout.buffer)
"""


def compiled(sources: dict[str, bytes], kept_in: Path) -> dict[str, bytes]:
    """The bytecode of modules by their source's name, without docstrings; none for a file that is not valid Python.

    Docstrings are a fourteenth of the zip, and nothing in Lambda reads them. Asserts stay.
    Compiled in a process of its own: marshal writes a string differently when something else in the process refers to
    it (https://github.com/python/cpython/issues/78274), and the zip must be the same each time.
    """
    kept = _Kept(kept_in, _COMPILE.encode(), sources)
    if not kept.value:
        kept.keep(_answered([sys.executable, "-I", "-S", "-W", "ignore", "-c", _COMPILE], sources))
    return kept.value


class _Kept:
    """The result of a program that reads source files, kept on disk for later packages with the same files.

    These programs are most of the work of packing, and libraries change with the lock alone.
    """

    _MOST = 20
    """How many results stay on disk: those used last."""

    def __init__(self, folder: Path, program: bytes, sources: dict[str, bytes]) -> None:
        # Version 2 of marshal writes equal values as equal bytes.
        made_from = marshal.dumps((sys.version, program, sources), 2)
        self._file = folder / hashlib.sha256(made_from).hexdigest()
        self.value: dict[str, Any] = {}
        """Empty where nothing is kept."""
        with contextlib.suppress(OSError, EOFError, ValueError, TypeError):
            self.value = marshal.loads(self._file.read_bytes())  # noqa: S302 - from our own process
            self._file.touch()

    def keep(self, value: dict[str, Any]) -> None:
        """Write a result that is new. If it can't be written, the next package runs the program again."""
        if value == self.value:
            return
        self.value = value
        folder = self._file.parent
        with contextlib.suppress(OSError):  # A package can do without, and another process may remove an old file.
            folder.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=folder, delete=False) as whole:
                marshal.dump(value, whole)
            Path(whole.name).replace(self._file)
            for old in sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime)[: -self._MOST]:
                old.unlink()


def _answered(command: list[str], question: Any) -> Any:
    """What a process of ours answers by marshal to what it is given by marshal."""
    ran = subprocess.run(command, input=marshal.dumps(question), stdout=subprocess.PIPE, timeout=300, check=True)
    return marshal.loads(ran.stdout)  # noqa: S302 - from our own process


def project_packager() -> tuple[LeanPackager, str, str]:
    """The packager for the project in the current folder, that folder, and the Python to pack for."""
    project = str(Path.cwd())
    architecture = json.loads(Path(".chalice/config.json").read_text(encoding="utf-8"))["lambda_architecture"]
    osutils, silent = OSUtils(), UI(out=io.StringIO())
    dependencies: Any = LockedDependencies(architecture=architecture)
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return LeanPackager(osutils, dependencies, silent, architecture=architecture), project, python
