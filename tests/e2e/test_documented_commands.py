"""Whoever follows README.md and docs/ on this machine gets there: each command that they show is run in a fresh
checkout, against the stack that README's own command starts, and prints what they say."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from ops.local.ports import Ports
from tests.e2e.conftest import ROOT
from tests.e2e.harness import marker, wait_for
from tests.e2e.test_commands import fresh_clone, printed, running, shell
from tests.snippets import commands_to_run, snippets

pytestmark = pytest.mark.full

COMMANDS = commands_to_run(ROOT)
LIFE = list(next(snippet for snippet in snippets(ROOT, "sh") if snippet.page == "docs/deploying.md").commands())
"""Those of a stage's whole life, which have a test of their own."""


def in_shell(command: str, folder: Path, environ: dict[str, str]) -> str:
    ran = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=environ,
        input="y\n",  # to what asks first
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"
    return ran.stdout


class Reader:
    """Somebody in a shell in the checkout, beside a running ``make run``."""

    def __init__(self, clone: Path, environ: dict[str, str], lines: list[str]) -> None:
        self.clone = clone
        self.environ = environ
        self.printed = lines
        self.urls: dict[str, str] = json.loads(self.type("./herald urls --stage local --json"))

    def type(self, command: str, **placeholders: str) -> str:
        """Run what a page shows, for stage ``local`` in place of ``dev``; returns what it printed."""
        for name, value in placeholders.items():
            command = command.replace(f"<{name}>", value)
        command = re.sub(r"(--stage |STAGE=)dev\b", r"\1local", command)
        command = command.replace("127.0.0.1:4566", f"127.0.0.1:{self.environ['HERALD_AWS_PORT']}")
        command = command.replace("aws-4566", f"aws-{self.environ['HERALD_AWS_PORT']}")
        return in_shell(command, self.clone, self.environ)

    def send(self, **fields: str) -> str:
        """The id of a message that a form has sent, once it is stored."""
        answer = requests.post(f"{self.urls['api']}/contact", json=fields, timeout=60)
        message_id: str = answer.json()["id"]
        printed(self.printed, f"{message_id[:8]}  Handled")
        return message_id

    def reads(self, *patterns: str) -> None:
        """Wait until the terminal of ``make run`` has a line for each pattern."""
        wait_for(lambda: all(re.search(each, "".join(self.printed)) for each in patterns), "\n".join(patterns))

    def fault(self, *faults: dict[str, Any]) -> None:
        address = f"{self.urls['site']}pushover/_control"
        requests.put(address, json={"faults": list(faults)}, timeout=60).raise_for_status()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Iterator[Reader]:
    clone = fresh_clone(tmp_path_factory.mktemp("reader") / "herald", checkout)
    shutil.copyfile(ROOT / "herald.toml", clone / "herald.toml")
    (clone / ".venv").symlink_to(sys.prefix)  # It would install the same again.
    run = COMMANDS["README.md"][0]
    assert run == "make run"
    environ = shell(Ports.free())
    with running(clone, ["-c", f"import os; os.setsid(); os.execvp('make', {run.split()!r})"], environ) as (
        process,
        lines,
    ):
        printed(lines, "Herald is ready")
        try:
            yield Reader(clone, environ, lines)
        finally:
            os.killpg(process.pid, signal.SIGINT)  # As Ctrl-C does, to make and to what it runs.
            process.wait(60)


def shown(page: str, beginning: str) -> list[str]:
    """The lines of a block of output, as patterns: ids and their like may differ."""
    text = (ROOT / page).read_text(encoding="utf-8")
    block = text[text.index(f"```\n{beginning}") + 4 :].partition("```")[0]
    any_id = r"[0-9a-f-]{36}|\b[0-9a-f]{8}\b"
    return ["[0-9a-f-]+".join(map(re.escape, re.split(any_id, line))) for line in block.splitlines()]


def test_the_terminal_shows_each_step_of_a_message(reader: Reader) -> None:
    reader.send(message=marker())
    reader.reads(*shown("docs/local-stack.md", "api_handler"))


def test_the_terminal_says_what_helps_a_page_that_is_refused(reader: Reader) -> None:
    headers = {"Origin": "http://192.168.1.5:1313"}
    refused = requests.post(f"{reader.urls['api']}/contact", json={"message": "x"}, headers=headers, timeout=60)
    assert refused.status_code == 403
    reader.reads(*shown("docs/local-stack.md", "api_handler                Refused"))

    headers, form = {"Origin": "http://localhost:1313"}, {"message": "x"}
    for address in (f"{reader.urls['aws']}/contact", f"{reader.urls['api']}/contacts"):
        assert requests.post(address, data=form, headers=headers, timeout=60).status_code >= 400
        reader.reads(f"http://localhost:1313 posted to .*/contacts?, where no form is: .* {reader.urls['form']}")


def pages() -> Iterator[Any]:
    """Each page with the commands that no page before it has, nor another test: ``make run`` is running."""
    known = {"make run", *LIFE}
    for page in sorted(COMMANDS):
        if new := [command for command in COMMANDS[page] if command not in known]:
            yield pytest.param(new, id=page)
        known.update(new)


@pytest.mark.parametrize("commands", list(pages()))
def test_the_commands_of_a_page_do_what_they_say(reader: Reader, commands: list[str]) -> None:
    for command in commands:
        if "replay" in command:
            failed_and_replayed(reader, command)
        elif "quarantine" in command:
            message_id = reader.send(message=marker(), _gotcha="x")
            assert message_id[:8] in reader.type(command, id=message_id)
        else:
            assert reader.type(command)


def test_the_commands_of_a_stages_whole_life_work_as_they_are_shown(reader: Reader, tmp_path: Path) -> None:
    """For stage dev, in the account of the local stack."""
    clone, port = fresh_clone(tmp_path / "herald", reader.clone), reader.environ["HERALD_AWS_PORT"]
    (clone / ".venv").symlink_to(sys.prefix)
    account = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_REGION": "us-east-1",
        "AWS_SHARED_CREDENTIALS_FILE": str(reader.clone / f".herald/aws-{port}/credentials"),
    }

    type_in = partial(in_shell, folder=clone, environ=reader.environ | account)
    diff, deploy, rollback, destroy, destroy_all = LIFE
    type_in(diff)
    type_in(deploy)
    first = json.loads(type_in("./herald urls --stage dev --json"))
    config = clone / "herald.toml"
    config.write_text(config.read_text(encoding="utf-8").replace("fields = 50", "fields = 2"), encoding="utf-8")
    assert "chalicelib/stages.py" in type_in(diff)
    type_in(deploy)
    page = {"Origin": "https://www.example.com"}
    form = {"message": marker(), "a": "1", "b": "2"}

    def status() -> int:
        return requests.post(f"{first['api']}/contact", json=form, headers=page, timeout=60).status_code

    assert status() == 413
    type_in(rollback)
    assert status() == 202
    assert "kept: messages and dead letters" in type_in(destroy)
    assert "deleted" in type_in(destroy_all)


def failed_and_replayed(reader: Reader, command: str) -> None:
    word = marker()
    reader.fault({"do": "status", "status": 400})
    message_id = reader.send(message=word)
    reader.fault()
    reader.type(command, id=message_id)
    if "--letters" not in command:
        wait_for(lambda: word in requests.get(f"{reader.urls['phone']}/messages.json", timeout=60).text, "push")
