"""Install the packages that Herald needs, each checked against its hash, lock them, and check the locks.

    python3 -m ops.packages install run     install into .venv what running and deploying need
    python3 -m ops.packages install dev     install also what tests and checks need
    python -m ops.packages lock [--upgrade] write locks/ again, after a change of requirements*.txt
    python3 ops/packages.py fetch FOLDER    download what deploying needs, for a machine without access to a registry
    python ops/packages.py unpack FOLDER LOCK 3.12 aarch64    install the zip's packages, for Lambda's Python

uv installs; where it can't, pip does, with the same hashes, and a line says so. No package is built on this machine, so
none runs code while it is installed. This module runs before anything is installed, so it imports only the standard
library.
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

OLDEST = (3, 11)
LOCKS = Path("locks")
ZIP, RUN, DEV, UV = "requirements.txt", "requirements-run.txt", "requirements-dev.txt", "requirements-uv.txt"
"""The files of requirements. The lock of each has the same name in ``locks/``."""
_SETS = {"run": RUN, "dev": DEV}
_LONGEST = 1200
"""Seconds that an installation may take, by pip on a slow line."""

_OF_PIP = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}
"""Settings of pip about registries, and their names in uv, which doesn't read pip's settings.
https://docs.astral.sh/uv/pip/compatibility/#configuration-files-and-environment-variables"""


def incomplete(error: ModuleNotFoundError) -> str:
    """What to do where an installed package is missing from ``.venv``; empty for a module of Herald's own."""
    name = str(error.name).partition(".")[0]
    if name in ("ops", "chalicelib", "app", "None"):
        return ""
    return f"the packages in .venv are incomplete: {name} is missing. Run: rm -r .venv, then the same command again"


class NotInstalled(Exception):
    """Packages could not be installed; the installer has printed the reason."""


def install(root: Path, wanted: str) -> None:
    """Install a set of packages, ``run`` or ``dev``, into ``.venv`` unless it is installed; raises
    :class:`NotInstalled`."""
    lock = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # `make run` and `make test` may begin at the same time.
        _install(root, wanted)
    finally:
        os.close(lock)


def _install(root: Path, wanted: str) -> None:
    python, stamp = root / ".venv/bin/python", root / ".venv/installed"
    locks = hashlib.sha256(b"".join((root / LOCKS / name).read_bytes() for name in (RUN, DEV))).hexdigest()
    has = stamp.read_text(encoding="utf-8").split() if python.exists() and stamp.exists() else []
    if has[1:] == [locks] and has[0] in (wanted, "dev"):
        return
    print("Installing into .venv …", flush=True)
    stamp.unlink(missing_ok=True)
    if not python.exists():
        shutil.rmtree(root / ".venv", ignore_errors=True)
        venv.create(root / ".venv", symlinks=True)
    into_environment(python, root / LOCKS / _SETS[wanted], root / LOCKS / UV)
    _look_before_chalice(root)
    stamp.write_text(f"{wanted} {locks}\n", encoding="utf-8")


def _look_before_chalice(root: Path) -> None:
    """Have ``.venv/bin/chalice`` begin in ``ops/cli/plain_chalice.py``: half its commands never load ``app.py``."""
    program = root / ".venv/bin/chalice"
    begins = f"sys.path.append({str(root)!r})\nfrom ops.cli.plain_chalice import main"
    text = program.read_text(encoding="utf-8").replace("from chalice.cli import main", begins)
    program.write_text(text, encoding="utf-8")


def into_environment(python: Path, lock: Path, uv: Path) -> None:
    """Install a lock's packages for a Python."""
    if not _by_pip(python, ["-r", str(uv)]) or not _by_uv(python, ["--python", str(python), "-r", str(lock)]):
        print("uv can't install here: pip does it, with the same hashes. It takes a minute or two.", file=sys.stderr)
        if not _by_pip(python, ["-r", str(lock)]):
            raise NotInstalled(
                f"the packages of {lock.name} could not be installed: pip says why, above. Does this machine reach its "
                f"registry? Ask: {python} -m pip config list"
            )


def into_folder(folder: Path, lock: Path, python: str, machine: str) -> None:
    """Install a lock's packages into a folder, for Lambda's Python (``3.12``) and machine (``aarch64``, ``x86_64``).

    Lambda's oldest system has glibc 2.26; packages for manylinux2014 ask for 2.17.
    Raises :class:`NotInstalled`.
    """
    what = ["--target", str(folder), "--python-version", python, "-r", str(lock)]
    here = Path(sys.executable)
    if not _by_uv(here, ["--python", str(here), "--python-platform", f"{machine}-manylinux2014", *what]):
        print("uv can't fetch the zip's packages: pip does it, with the same hashes.", file=sys.stderr)
        if not _by_pip(here, ["--platform", f"manylinux2014_{machine}", "--no-compile", *what]):
            raise NotInstalled(f"the packages of {lock.name} could not be installed")


def fetch(root: Path, folder: Path, machine: str) -> None:
    """Download the packages for running, deploying and the zip for Lambda's machine, without running any.

    With ``PIP_NO_INDEX=1`` and ``PIP_FIND_LINKS=<folder>`` everything is installed from there, with the same hashes.
    Raises :class:`NotInstalled`.
    """
    here, python = Path(sys.executable), f"{sys.version_info.major}.{sys.version_info.minor}"
    download = ["download", "-qq", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:"]
    for name, target in (
        (UV, []),
        (RUN, []),
        (ZIP, ["--platform", f"manylinux2014_{machine}", "--python-version", python]),
    ):
        command = [*_pip(here), *download, "--dest", str(folder), "-r", str(root / LOCKS / name), *target]
        if not _ran_pip(command, os.environ):
            raise NotInstalled(f"the packages of {LOCKS / name} can't be fetched")


def _by_uv(python: Path, arguments: list[str]) -> bool:
    """Install with the uv beside a Python; returns whether it succeeded. uv uses any registry with the locked files."""
    settings = pip_settings(_pip(python))
    return _ran(
        [str(python.parent / "uv"), "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:"]
        + ["--index-strategy", "unsafe-best-match"]
        + (["--no-index"] if settings.get("no-index", "").lower() in ("1", "true", "yes", "on") else [])
        + arguments,
        for_uv(settings, os.environ),
    )


def _by_pip(python: Path, arguments: list[str]) -> bool:
    """Install with pip; returns whether it succeeded. Raises :class:`NotInstalled` where no registry answers."""
    install = ["install", "-qq", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:"]
    # A person's own setting `user = true` conflicts with an installation folder.
    return _ran_pip([*_pip(python), *install, *arguments], {**os.environ, "PIP_USER": "0"})


def _ran_pip(command: list[str], environment: Mapping[str, str]) -> bool:
    """Run pip and print what it says, without a warning for each connection that it tries again; returns whether it
    succeeded. Raises :class:`NotInstalled` where it has failed after such warnings: then no registry answers, and what
    else pip says ("no matching distribution") is wrong."""
    try:
        ran = subprocess.run(command, env=dict(environment), stderr=subprocess.PIPE, text=True, timeout=_LONGEST)
    except (OSError, subprocess.TimeoutExpired) as error:
        print(error, file=sys.stderr)
        return False
    lines = ran.stderr.splitlines(keepends=True)
    retries = [line for line in lines if line.startswith("WARNING: Retrying (")]
    if ran.returncode and retries:
        reason = re.search(r"connection broken by '(.*)': /", retries[-1])
        raise NotInstalled(
            "pip can't reach its registry of packages"
            + (": " + re.sub(r"<pip\._vendor\.[^>]*>: ", "", reason[1]) if reason else "")
            + ". Herald needs a connection once, to install what it runs on. Which registry pip asks: "
            f"{shlex.join(command[: command.index('pip') + 1])} config list. Without any: docs/packages.md"
        )
    sys.stderr.writelines(line for line in lines if line not in retries)
    return ran.returncode == 0


def _pip(python: Path) -> list[str]:
    """The command for pip for a Python: its own, or that of the running Python. Installs pip where neither has it."""
    for command in ([str(python)], [sys.executable]):
        if subprocess.run([*command, "-c", "import pip"], capture_output=True, timeout=60).returncode == 0:
            return [*command, "-m", "pip", *([] if command == [str(python)] else ["--python", str(python)])]
    if subprocess.run([str(python), "-m", "ensurepip"], capture_output=True, timeout=_LONGEST).returncode:
        raise NotInstalled(
            "this Python has no pip. Debian and Ubuntu package it separately: apt install python3-pip python3-venv"
        )
    return [str(python), "-m", "pip"]


def pip_settings(pip: list[str]) -> dict[str, str]:
    """The settings of pip by option: from the environment, for ``install``, or for all commands."""
    ran = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, timeout=60)
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in ran.stdout.splitlines():
        name, _, value = line.partition("=")
        where, _, option = name.rpartition(".")
        if where in found:
            found[where][option] = str(ast.literal_eval(value))
    return {**found["global"], **found["install"], **found[":env:"]}


def for_uv(settings: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """The environment in which uv uses pip's registries; uv's own settings take precedence."""
    own = (Path(environment.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "uv/uv.toml", Path("/etc/uv/uv.toml"))
    if {"UV_CONFIG_FILE", "UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL"} & environment.keys() or any(
        map(Path.exists, own)
    ):
        return dict(environment)
    told = {}
    for option, variable in _OF_PIP.items():
        if option in settings:
            told[variable] = ("," if variable == "UV_FIND_LINKS" else " ").join(settings[option].split())
    return {**told, **environment}


def _ran(command: list[str], environment: Mapping[str, str], folder: Path | None = None) -> bool:
    try:
        return subprocess.run(command, env=dict(environment), cwd=folder, timeout=_LONGEST).returncode == 0
    except (OSError, subprocess.TimeoutExpired) as error:
        print(error, file=sys.stderr)
        return False


def lock(root: Path, *, upgrade: bool = False) -> None:
    """Write every lock again. Locked versions that still fit are kept, unless ``upgrade``.

    The other locks use the versions of the largest one, as uv prefers the versions in the file that it overwrites.
    Hashes come from the main registry: another may have only some files of a version.
    """
    (root / LOCKS).mkdir(exist_ok=True)
    python = Path(sys.executable)
    settings = pip_settings(_pip(python))
    main = {option: value for option, value in settings.items() if option not in ("extra-index-url", "find-links")}
    widest = root / LOCKS / DEV
    for name in (DEV, RUN, ZIP, UV):
        target = root / LOCKS / name
        if name in (RUN, ZIP):
            shutil.copyfile(widest, target)
        if not _ran(
            [str(python.parent / "uv"), "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
            + ["--generate-hashes", "--no-strip-extras", "--only-binary", ":all:", "--no-emit-index-url"]
            + ["--custom-compile-command", "make lock"]
            + (["--upgrade"] if upgrade and name == DEV else [])
            + [name, "--output-file", str(LOCKS / name)],
            for_uv(main, os.environ),
            root,
        ):
            raise NotInstalled(f"{name} can't be locked")


def mistakes(root: Path) -> Iterator[str]:
    """A sentence for each lock that does not match its requirements or another lock, or lacks a hash; offline."""
    locks = {name: read_lock((root / LOCKS / name).read_text(encoding="utf-8")) for name in (DEV, RUN, ZIP, UV)}
    every = {re.sub(r"\[.*?\]", "", requirement) for requirement in locks[DEV]}  # A test may need extras of a package.
    for name, locked in locks.items():
        wanted, named = set(required(root, name)), {each for each, package in locked.items() if package.direct}
        for requirement in sorted(wanted ^ named):
            yield f"{LOCKS / name}: {requirement} is in only one of it and {name}; run: make lock"
        for requirement, package in locked.items():
            if name in (RUN, ZIP) and re.sub(r"\[.*?\]", "", requirement) not in every:
                yield f"{LOCKS / name}: {requirement} is not in {LOCKS / DEV}; run: make lock"
            if not package.hashes:
                yield f"{LOCKS / name}: {requirement} has no hash; run: make lock"


@dataclass
class Locked:
    """A package of a lock."""

    direct: bool = False
    """Whether a file of requirements names it; otherwise another package needs it."""
    hashes: list[str] = field(default_factory=list)


def read_lock(text: str) -> dict[str, Locked]:
    """The packages of a lock, by ``name==version``."""
    found: dict[str, Locked] = {}
    package = Locked()
    for line in text.splitlines():
        if line and not line[0].isspace() and not line.startswith("#"):
            package = found.setdefault(_plain(line), Locked())
        elif "--hash=" in line:
            package.hashes.append(line.strip(" \\").removeprefix("--hash="))
        elif line.startswith("    #") and " -r " in line:
            package.direct = True
    return found


def required(root: Path, name: str) -> Iterator[str]:
    """The requirements of a file and of those that it includes, as a lock writes them."""
    for line in (root / name).read_text(encoding="utf-8").splitlines():
        requirement = line.partition("#")[0].strip()
        if requirement.startswith("-r"):
            yield from required(root, requirement.removeprefix("-r").strip())
        elif requirement:
            yield _plain(requirement)


def _plain(requirement: str) -> str:
    """The requirement with its name normalized: https://packaging.python.org/en/latest/specifications/name-normalization/"""
    requirement = re.split(r"[;\\]", requirement, maxsplit=1)[0].replace(" ", "")
    name, separator, version = requirement.partition("==")
    return re.sub(r"[-_.]+", "-", name).lower() + separator + version


def main(arguments: list[str]) -> int:
    if sys.version_info < OLDEST:
        return 1  # The Makefile prints the reason, also for a Python that is missing.
    root = Path(__file__).resolve().parent.parent
    try:
        if arguments[:1] == ["install"] and arguments[1:] in ([each] for each in _SETS):
            install(root, arguments[1])
        elif arguments[:1] == ["fetch"] and len(arguments) == 2:
            fetch(root, Path(arguments[1]), "aarch64")
        elif arguments[:1] == ["unpack"] and len(arguments) == 5:
            into_folder(Path(arguments[1]), Path(arguments[2]), python=arguments[3], machine=arguments[4])
        elif arguments in (["lock"], ["lock", "--upgrade"]):
            lock(root, upgrade="--upgrade" in arguments)
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except NotInstalled as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130  # As a shell has it.
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
