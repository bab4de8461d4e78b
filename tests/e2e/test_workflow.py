"""The workflow's own commands: what one job fetches is all that another needs, which can reach nothing else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import needs
from tests.e2e.conftest import ROOT
from tests.e2e.test_commands import fresh_clone

pytestmark = pytest.mark.full

NOBODY = "http://127.0.0.1:9"


def steps(job: str, known_by: str) -> list[str]:
    workflow: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/deploy.yml").read_text(encoding="utf-8"))
    return [step["run"] for step in workflow["jobs"][job]["steps"] if known_by in step.get("run", "")]


def run(folder: Path, environ: dict[str, str], command: str) -> str:
    done = subprocess.run(
        ["/bin/sh", "-c", command], cwd=folder, env=environ, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.rehearse(
    "downloads all that the locks name, as the workflow's first job, and packs from it, as its second",
    "a package that only the second job asks for, where it can reach nothing",
)
def test_what_signs_in_needs_nothing_but_what_was_fetched(tmp_path: Path, checkout: Path) -> None:
    """Two checkouts, as two jobs have them. That the zip is the same wherever it is made: test_package. With one small
    package, and a forged one: functional/test_packages."""
    needs.rehearsal()
    fetching, deploying = (fresh_clone(tmp_path / name, checkout) for name in ("fetching", "deploying"))
    environ = dict(os.environ) | {"PACKAGES": str(tmp_path / "packages")}
    (fetch,), (install,) = steps("packages", "fetch"), steps("deploy", "packages")
    run(fetching, environ, fetch)

    offline = environ | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": environ["PACKAGES"]}
    offline |= {
        name: NOBODY for scheme in ("http", "https", "all") for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper())
    }
    run(deploying, offline, install)
    package = ".venv/bin/python ops/deploy/patched_chalice.py --package"
    assert (deploying / ".chalice/deployments" / run(deploying, offline, package).strip()).stat().st_size
