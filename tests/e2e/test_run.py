"""``make run`` while its owner works on the code: each save is deployed as it is on disk, and a mistake is mended by
the next save."""

from __future__ import annotations

import configparser
import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.aws.account import Account
from ops.local.ports import Ports
from ops.loopback import credentials
from tests.e2e.conftest import ROOT, free_ports
from tests.e2e.harness import wait_for
from tests.e2e.test_commands import fresh_clone, printed, running, shell

READY, FAILED = "Herald is ready", "Mend it and save again."
PATIENCE = 120.0
MARK = '    FunctionSpec(\n        name="list_messages",'
EXTRA_IN_MANIFEST = '    FunctionSpec(name="extra", trigger=Trigger("invoke"), memory=256, timeout=7),\n'
EXTRA_IN_APP = '''

@app.lambda_function()
def extra(event: Any, context: Any) -> dict[str, object]:
    """Of the owner's own."""
    logger.info("Extra has run")
    return {"answer": 42}
'''


class Run:
    """``make run`` on a checkout, and somebody with an editor."""

    def __init__(self, checkout: Path, ports: Ports, lines: list[str]) -> None:
        self.checkout = checkout
        self.lines = lines
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


@pytest.fixture
def run(tmp_path: Path, checkout: Path) -> Iterator[Run]:
    clone = fresh_clone(tmp_path / "herald", checkout)
    shutil.copyfile(ROOT / "herald.toml", clone / "herald.toml")
    ports = free_ports()
    with running(clone, ["-m", "ops", "run"], shell(ports)) as (process, lines):
        printed(lines, READY, seconds=PATIENCE)
        yield Run(clone, ports, lines)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


@pytest.mark.full
def test_each_save_is_deployed_as_it_is_and_each_mistake_is_mended_by_the_next(run: Run) -> None:
    functions = run.account.functions
    committed = (run.checkout / "chalicelib" / "stages.py").read_text(encoding="utf-8")

    said = run.save("chalicelib/functions.py", MARK, EXTRA_IN_MANIFEST + MARK, answer=FAILED)
    assert "chalicelib/functions.py declares extra, which app.py lacks" in said
    before = "\n\n@app.lambda_function()\ndef list_messages("
    said = run.save("app.py", before, f"{EXTRA_IN_APP.replace('42}', '42')}{before}", answer=FAILED)
    assert "app.py, line " in said
    assert "SyntaxError" in said
    run.save("app.py", '{"answer": 42', '{"answer": 42}')
    answer = functions.invoke(FunctionName="herald-local-extra", Payload=b"{}")
    assert json.loads(answer["Payload"].read()) == {"answer": 42}
    printed(run.lines, "Extra has run", seconds=PATIENCE)

    said = run.save("chalicelib/functions.py", "timeout=7)", "timeout=seven)", answer=FAILED)
    assert "NameError: name 'seven' is not defined" in said
    said = run.save("chalicelib/functions.py", "timeout=seven)", "timeout=8)")
    assert functions.get_function_configuration(FunctionName="herald-local-extra")["Timeout"] == 8

    said = run.save("herald.toml", "body_kib = 64", "body_kib = 65", answer=FAILED)
    assert "limits.body_kib" in said
    said = run.save("herald.toml", "body_kib = 65", "body_kib = ", answer=FAILED)
    assert "herald.toml is not valid TOML" in said
    run.save("herald.toml", "body_kib = ", "body_kib = 64")

    assert (run.checkout / "chalicelib" / "stages.py").read_text(encoding="utf-8") == committed
