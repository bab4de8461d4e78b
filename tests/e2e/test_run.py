"""``make run``: what it prints leads to a site whose form rings, each save is deployed as it is on disk, a mistake is
mended by the next save, and nothing is left of it."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from ops.aws.account import Account
from ops.local.ports import Ports
from ops.loopback import credentials
from tests.e2e.conftest import ROOT
from tests.e2e.harness import marker, processes_with, wait_for
from tests.e2e.test_commands import fresh_clone, printed, running, served, shell, succeeds

pytestmark = pytest.mark.full

READY, FAILED = "Herald is ready", "Mend it and save again."
PATIENCE = 120.0
MARK = '    FunctionSpec(\n        name="list_messages",'
EXTRA_IN_MANIFEST = '    FunctionSpec(name="extra", trigger=Trigger("invoke"), memory=256, timeout=seven),\n'
EXTRA_IN_APP = '''

@app.lambda_function()
def extra(event: Any, context: Any) -> dict[str, object]:
    """Of the owner's own."""
    logger.info("Extra has run")
    return {"answer": 42}
'''


PASTE = "import os, sys; os.setsid(); os.execv('/bin/sh', ['sh', '-c', sys.argv[1]])"
"""Becomes the shell into which a line is pasted; what that starts is of its process group."""


class Run:
    """``make run`` on a checkout, and somebody with an editor."""

    def __init__(self, checkout: Path, ports: Ports, lines: list[str], mark: dict[str, str]) -> None:
        self.checkout = checkout
        self.lines = lines
        self.environ = shell(ports, **mark)
        keys = configparser.ConfigParser()
        keys.read(checkout / credentials.file_name(ports.aws), encoding="ascii")
        environ = {name.upper(): value for name, value in keys["default"].items()}
        self.account = Account(environ | {"AWS_ENDPOINT_URL": ports.aws_url, "AWS_REGION": "us-east-1"}, isolated=True)

    def save(self, name: str, old: str, new: str, *, answer: str = READY) -> str:
        """Put ``new`` in place of ``old``, as most editors do, by a new file; returns what was printed thereupon."""
        file, before = self.checkout / name, len(self.lines)
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1
        beside = file.with_name(f"{file.name}.new")
        beside.write_text(text.replace(old, new), encoding="utf-8")
        beside.replace(file)
        wait_for(lambda: answer in self.since(before), f"{answer!r} in:\n{self.since(before)}", PATIENCE)
        said = self.since(before)
        assert f"Changed: {name}. Deploying" in said
        assert "Traceback" not in said
        return said

    def since(self, line: int) -> str:
        return "".join(self.lines[line:])

    def urls(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(succeeds(self.checkout, self.environ, "urls", "--stage", "local", "--json"))
        return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Iterator[Run]:
    clone = fresh_clone(tmp_path_factory.mktemp("run") / "herald", checkout)
    # Its stack is a new one, which has nothing of the owner's that the shared one has.
    shutil.copyfile(ROOT / "herald.toml", clone / "herald.toml")
    (clone / ".venv").symlink_to(sys.prefix)  # `./herald` would install the same again.
    ports, mark = Ports.free(), {"HERALD_TEST_RUN": marker()}
    with running(clone, ["-m", "ops", "run"], shell(ports, **mark)) as (process, lines):
        printed(lines, READY, seconds=PATIENCE)
        yield Run(clone, ports, lines, mark)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    if sys.platform == "linux":
        ((name, value),) = mark.items()
        wait_for(lambda: not processes_with(f"{name}={value}"), "end of every process")
    ports.claim()


def test_what_it_prints_leads_to_a_site_whose_form_rings(run: Run) -> None:
    urls, before = run.urls(), len(run.lines)
    assert set(urls) == {"form", "api", "send_event", "get_message", "site", "phone", "aws"}
    assert f'action="{urls["form"]}"' in requests.get(urls["site"], timeout=60).text

    def rings(word: str) -> None:
        wait_for(lambda: word in requests.get(f"{urls['phone']}/messages.json", timeout=60).text, "push")

    word = marker()
    requests.post(f"{urls['api']}/contact", data={"message": word}, timeout=60)
    rings(word)
    wait_for(lambda: "action delivered" in run.since(before), "line of the delivery")

    port, word = Ports.free().web, marker()
    command = f"./herald chalice local --stage local --port {port}"
    with running(run.checkout, ["-c", PASTE, command], run.environ) as (pasting, said):
        try:
            assert served(port, word).status_code == 202, "".join(said)
            # The example site's origin is in the settings of this run alone.
            headers = {"Origin": urls["site"].removesuffix("/"), "Accept": "text/html"}  # As a form's.
            form = {"message": marker()}
            posted = requests.post(f"http://127.0.0.1:{port}/contact", data=form, headers=headers, timeout=60)
            assert posted.url.startswith(urls["site"]), posted.text
        finally:
            os.killpg(pasting.pid, signal.SIGINT)  # As Ctrl-C does.
            pasting.wait(60)
    rings(word)


def test_each_save_is_deployed_as_it_is_and_each_mistake_is_mended_by_the_next(run: Run) -> None:
    functions, urls = run.account.functions, run.urls()
    committed = (run.checkout / "chalicelib" / "stages.py").read_text(encoding="utf-8")

    said = run.save("chalicelib/functions.py", MARK, EXTRA_IN_MANIFEST + MARK, answer=FAILED)
    assert "NameError: name 'seven' is not defined" in said
    said = run.save("chalicelib/functions.py", "timeout=seven)", "timeout=8)", answer=FAILED)
    assert "the manifest declares extra, which app.py lacks" in said
    before = "\n\n@app.lambda_function()\ndef list_messages("
    said = run.save("app.py", before, f"{EXTRA_IN_APP.replace('42}', '42')}{before}", answer=FAILED)
    assert "app.py, line " in said
    assert "SyntaxError" in said
    run.save("app.py", '{"answer": 42', '{"answer": 42}')
    answer = functions.invoke(FunctionName="herald-local-extra", Payload=b"{}")
    assert json.loads(answer["Payload"].read()) == {"answer": 42}
    printed(run.lines, "Extra has run", seconds=PATIENCE)
    assert functions.get_function_configuration(FunctionName="herald-local-extra")["Timeout"] == 8

    said = run.save("herald.toml", "body_kib = 64", "body_kib = 65", answer=FAILED)
    assert "limits.body_kib" in said
    said = run.save("herald.toml", "body_kib = 65", "body_kib = ", answer=FAILED)
    assert "herald.toml is not valid TOML" in said
    run.save("herald.toml", "body_kib = ", "body_kib = 64")
    assert run.urls() == urls

    shop = '[sites.shop]\nthanks = "https://shop.example.com/thanks/"\nchannels = ["pushover"]\n\n'
    said = run.save("herald.toml", "[sites.default.spam]", f"{shop}[sites.default.spam]")
    assert f"form shop   {urls['api']}/contact/shop" in said
    assert run.urls() == urls | {"form shop": f"{urls['api']}/contact/shop"}
    run.save("herald.toml", shop, "")

    assert (run.checkout / "chalicelib" / "stages.py").read_text(encoding="utf-8") == committed


def test_ctrl_c_while_the_servers_start_ends_it_before_anything_is_deployed(tmp_path: Path, checkout: Path) -> None:
    clone, ports = fresh_clone(tmp_path / "herald", checkout), Ports.free()
    with running(clone, ["-m", "ops", "run"], shell(ports)) as (process, lines):
        printed(lines, "Starting an AWS")
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0
    assert len(lines) == 1, "".join(lines)
    ports.claim()
