"""Prepare the measured code: Herald's deployment zip, unpacked as Lambda does it, and each peer's packages.

Downloads are kept in ``.herald/bench``, so that only the first run needs a package index.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

from ops.config.loader import Overrides, load
from ops.deploy.chalice_runner import PROGRAM
from ops.deploy.project_copy import mirror
from ops.generate import render
from ops.local.runtime_packages import link_runtime_packages

RINGS = "rings = { hour = 1000, day = 10000 }"
"""A budget that the requests of one process don't use up: each then costs the write that a message's ring costs."""
CHANNELS = f"""
[channels.email]
{RINGS}
kind = "email"
from = "herald@example.com"
to = ["owner@example.org"]

[channels.team]
{RINGS}
kind = "webhook"
format = "standard"

[stages.local.sites.every-channel]
thanks = "http://127.0.0.1:8080/thanks.html"
channels = ["pushover", "email", "team"]
"""
"""A site of stage ``local`` with a channel of each kind, so that the zip has every function."""
WATCHED = """
[stages.watched.alarms]
email = "owner@example.org"
channels = ["pushover"]

[stages.watched.canary]

[stages.watched.digest]
"""
"""A stage that sends canaries and digests, and notifies its owner of failures."""
MANY = (1, 2, 4, 8)
"""The numbers of channels that the sites of stage ``many`` have."""


def _many() -> str:
    """Return the configuration of stage ``many``, whose site ``siteN`` has N channels."""
    hooks = [f"hook{number}" for number in range(max(MANY))]
    text = "".join(f'[stages.many.channels.{hook}]\nkind = "webhook"\nformat = "slack"\n{RINGS}\n' for hook in hooks)
    for count in MANY:
        text += f"[stages.many.sites.site{count}]\n"
        text += f'thanks = "https://www.example.com/thanks.html"\nchannels = {json.dumps(hooks[:count])}\n'
    return text


def herald(root: Path, work: Path, web: str) -> Path:
    """Build Herald's deployment zip as ``make deploy`` does, with channels of every kind at the address ``web``."""
    project = work / "project"
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir(parents=True)
    mirror(root, project)
    configuration = project / "herald.toml"
    text = re.sub("^rings = .*", RINGS, configuration.read_text(encoding="utf-8"), flags=re.MULTILINE)
    configuration.write_text(text + CHANNELS + WATCHED + _many(), encoding="utf-8")
    render.write(project, render.generated(load(project, Overrides(web=web))))
    _run([sys.executable, str(PROGRAM), "package", "--stage", "local", "out"], cwd=project)
    return project / "out" / "deployment.zip"


def unpacked(package: Path, folder: Path) -> Path:
    """Unpack a zip into an empty folder. Files get the times that the zip records."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    return folder


def copied_without_bytecode(source: Path, folder: Path) -> None:
    """Copy a package with sources in place of its bytecode, as Chalice alone would pack it."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))
    here = Path(sysconfig.get_path("purelib"))
    for file in list(folder.rglob("*.pyc")):
        shutil.copyfile((here / file.relative_to(folder)).with_suffix(".py"), file.with_suffix(".py"))
        file.unlink()


def runtime(work: Path) -> Path:
    """Create a folder with the packages of the Lambda runtime and their bytecode, like /var/runtime."""
    folder = work / "runtime"
    link_runtime_packages(folder)
    compile_all(*(path.resolve() for path in folder.iterdir()))
    return folder


def compile_all(*folders: Path) -> None:
    """Compile every module in these folders that has no bytecode yet."""
    _run([sys.executable, "-m", "compileall", "-q", *map(str, folders)])


def installed(requirements: list[str], name: str, work: Path) -> Path:
    """Install packages into a folder as ``pip install --target`` does, bytecode included. Reuse an earlier one."""
    folder = work / f"{name}-{_digest(' '.join(requirements))}"
    if not folder.exists():
        arriving = folder.with_suffix(".new")
        shutil.rmtree(arriving, ignore_errors=True)
        _pip("install", "--target", str(arriving), *requirements)
        arriving.rename(folder)
    return folder


def requirements(file: Path) -> list[str]:
    """Return the requirements in a file, without comments and options."""
    lines = (line.partition("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("-")]


def zipped(sources: list[Path], target: Path) -> int:
    """Zip these files and folders without bytecode, as in pip's wheels. Return the size in bytes."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for source in sources:
            files = [source] if source.is_file() else [path for path in source.rglob("*") if path.is_file()]
            for path in files:
                if "__pycache__" not in path.parts:
                    archive.write(path, path.relative_to(source.parent if source.is_file() else source))
    return target.stat().st_size


def _pip(*words: str) -> None:
    _run([sys.executable, "-m", "pip", *words, "--quiet", "--disable-pip-version-check"])


def _run(command: list[str], cwd: Path | None = None) -> None:
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=600)
    if ran.returncode:
        if re.search(r"No matching distribution|Could not find a version|ConnectionError|Max retries", ran.stderr):
            raise SystemExit(f"The package index can't be reached, which the first run needs:\n{ran.stderr}")
        raise SystemExit(f"{' '.join(command[:4])} … failed:\n{ran.stdout}{ran.stderr}")


def _digest(text: str) -> str:
    return hashlib.sha256(f"{sys.version} {text}".encode()).hexdigest()[:12]
