"""A stage's life on an AWS that is slow, throttles, forgets for seconds what it has made, and loses answers."""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from ops.aws.account import Account, environment
from ops.cli.command_group import error_message
from ops.config.loader import StageConfig, load, named
from ops.deploy import chalice_runner
from ops.deploy.deployment import Deployment, deploy, destroy, rollback
from ops.deploy.diff import diff
from ops.deploy.release_history import Releases
from ops.local.stack import LocalStack
from tests.e2e.between import Between
from tests.e2e.conftest import ROOT
from tests.e2e.first_hour import FirstHour
from tests.e2e.test_commands import fresh_clone, inventory
from tests.rehearsal import amount

LOG = logging.getLogger(__name__)

SEEDS = amount(1, 100)
AT_ONCE = amount(1, 5)
SPEED = amount(20, 5)
"""How much faster than on AWS time passes for what is played."""
TRIES = 3
"""How often at most a command may have to be given."""
STAGE = "\n[stages.seed{seed}]\n"
GROWN = STAGE + "send_event = true\nfunction_url = true\nthrottle = {{ rate = 7, burst = 8 }}\n"
"""The stage's second release."""


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A project with a stage for each seed, packed once: the same zip is right for all stages."""
    project = fresh_clone(tmp_path / "packed", ROOT)
    path = project / "herald.toml"
    shipped = re.sub(r"^\[stages\.dev\](?:\n.+)*", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    path.write_text(shipped + "".join(STAGE.format(seed=seed) for seed in range(1, SEEDS + 1)), encoding="utf-8")
    chalice_runner.package(project, os.environ)
    return project


@pytest.mark.full
@pytest.mark.rehearse(
    "deploys, compares, rolls back and destroys a stage with 100 seeds, five at once, five times as fast as AWS",
    "a command that fails where AWS is slow, throttles or loses an answer",
)
@pytest.mark.parametrize("first", range(1, SEEDS + 1, AT_ONCE))
def test_a_command_gets_through_what_aws_does_in_the_first_hour_or_says_so_and_does_when_repeated(
    first: int, stack: LocalStack, packed: Path
) -> None:
    environ = environment(stack.config("local"), dict(os.environ))
    seeds = range(first, first + AT_ONCE)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        lives = [list(found) for found in pool.map(partial(_problems, stack, environ, packed), seeds)]
    assert dict(zip(seeds, lives, strict=True)) == {seed: [] for seed in seeds}
    left = {kind: [name for name in names if "seed" in name] for kind, names in inventory(stack.account).items()}
    assert not any(left.values()), left


def _problems(stack: LocalStack, environ: Mapping[str, str], packed: Path, seed: int) -> list[str]:
    """What went wrong for good in a stage's life."""
    project = shutil.copytree(packed, packed.with_name(str(seed)), symlinks=True)
    plain = (project / "herald.toml").read_text(encoding="utf-8")
    grown = plain.replace(STAGE.format(seed=seed), GROWN.format(seed=seed))
    life = [("deploy", plain), ("diff", plain), ("rollback", plain), ("destroy", plain)]
    if seed % AT_ONCE == 0:
        life[1:2] = [("deploy", grown), ("diff", grown)]
    with Between(stack.ports.aws_url, FirstHour(seed, SPEED)) as between:
        led = {**environ, "AWS_ENDPOINT_URL": between.url}
        account = Account(led, isolated=True)
        for command, text in life:
            (project / "herald.toml").write_text(text, encoding="utf-8")
            stages = load(project)
            one = Deployment(project, named(stages, f"seed{seed}"), account, led, lambda _: None)
            said = list(_take(command, one, stages))
            LOG.info("seed %d: %s: %s", seed, command, said)
            if wrong := [text for text in said if not text or "Traceback" in text or len(said) == TRIES]:
                return [f"{command}: {text}" for text in wrong]
    return []


def _take(command: str, deployment: Deployment, stages: Mapping[str, StageConfig]) -> Iterator[str]:
    """Give a command until it gets through; yields what it says when it doesn't, which is nothing for a mistake of
    Herald's own."""
    for _ in range(TRIES):
        try:
            match command:
                case "deploy":
                    deploy(deployment, stages)
                case "diff":
                    assert diff(deployment, stages) == []
                case "rollback":
                    # To the release before the current one, or to that again where it is the only one.
                    releases = Releases(deployment.stage, deployment.account).ids()
                    rollback(deployment, None if len(releases) > 1 else releases[0])
                case "destroy":
                    destroy(deployment, data=True)
            return
        except Exception as error:
            LOG.info("%r", error)
            yield error_message(error)
