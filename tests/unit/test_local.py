"""The local stack's ports, its copy of the project, and the steps that it shows."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from chalice.deploy.deployer import ChaliceDeploymentError
from starlette.responses import PlainTextResponse

from ops.aws.account import Account
from ops.config.loader import EXAMPLE
from ops.deploy.project_copy import mirror
from ops.errors import OpsError, short_traceback
from ops.local import run
from ops.local.aws import misdirected_forms
from ops.local.aws.misdirected_forms import MisdirectedForms
from ops.local.message_steps import follow, step_text
from ops.local.ports import Ports
from ops.local.source_changes import Changes
from tests.fakes import stage

# Ports


def test_the_default_ports() -> None:
    assert Ports.of({}) == Ports(4566, 8080)
    assert Ports.of({"HERALD_AWS_PORT": "", "HERALD_WEB_PORT": ""}) == Ports()
    assert Ports().aws_url == "http://127.0.0.1:4566"
    assert Ports().web_url == EXAMPLE == "http://127.0.0.1:8080"


def test_ports_come_from_the_environment() -> None:
    assert Ports.of({"HERALD_AWS_PORT": "1024", "HERALD_WEB_PORT": "65535"}) == Ports(1024, 65535)


@pytest.mark.parametrize(
    "text",
    [
        *("0", "80", "1023", "65536", "-1", "8080.0", "http", "８０８０", "²", " 8080", "008080"),
        pytest.param("9" * 5000, id="5000 digits"),  # More than Python turns into a number.
        pytest.param("0" * 4999 + "1", id="5000 digits of a small number"),
    ],
)
@pytest.mark.parametrize("variable", ["HERALD_AWS_PORT", "HERALD_WEB_PORT"])
def test_what_is_no_port_is_named_with_its_variable(variable: str, text: str) -> None:
    with pytest.raises(OpsError, match=f"{variable} is .*; it holds a port from 1024 to 65535"):
        Ports.of({variable: text})


def test_the_two_ports_must_differ() -> None:
    with pytest.raises(OpsError, match="HERALD_AWS_PORT and HERALD_WEB_PORT are both 8080"):
        Ports.of({"HERALD_AWS_PORT": "8080"})


def test_ports_override_the_local_stages_addresses() -> None:
    found = Ports(5000, 6000).overrides(real_pushover=True)
    assert (found.aws, found.web, found.real_pushover) == ("http://127.0.0.1:5000", "http://127.0.0.1:6000", True)


# Mirror


DEPLOYED = {
    *("app.py", "herald.toml", "requirements.txt", "chalicelib/a.py", "chalicelib/logic/b.py", "infra/c.yaml"),
    *("locks/requirements.txt", "vendor/d.py"),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    others = ("chalicelib/__pycache__/a.pyc", "tests/t.py", "ops/o.py", ".chalice/policy-dev-x.json", "secret.txt")
    for name in (*DEPLOYED, *others):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def save(file: Path, text: str) -> None:
    """As most editors do: the text into a new file, which then takes the old one's place."""
    new = file.with_name(f"{file.name}.new")
    new.write_text(text)
    new.replace(file)


def test_the_copy_holds_what_deploying_needs_and_nothing_else(project: Path, tmp_path: Path) -> None:
    (copy := tmp_path / "copy").mkdir()
    mirror(project, copy)
    assert files(copy) == DEPLOYED
    assert (copy / ".chalice").is_dir()


def test_what_was_changed_or_deleted_is_so_in_the_copy_and_chalices_files_stay(project: Path, tmp_path: Path) -> None:
    (copy := tmp_path / "copy").mkdir()
    mirror(project, copy)
    (copy / ".chalice" / "deployed").mkdir()
    (copy / ".chalice" / "deployed" / "local.json").write_text("{}")
    (project / "app.py").write_text("changed")
    (project / "chalicelib" / "a.py").unlink()
    mirror(project, copy)
    assert (copy / "app.py").read_text() == "changed"
    assert "chalicelib/a.py" not in files(copy)
    assert ".chalice/deployed/local.json" in files(copy)


def test_a_file_that_is_missing_is_named(project: Path, tmp_path: Path) -> None:
    (project / "app.py").unlink()
    with pytest.raises(OpsError, match=r"app\.py is missing"):
        mirror(project, tmp_path)


# Changes


def seen(changes: Changes, seconds: float = 0.3) -> list[str]:
    """What has changed since the last time; nothing, when nothing does for these seconds."""
    stop = threading.Event()
    end = threading.Timer(seconds, stop.set)
    end.start()
    try:
        return changes.wait(stop, pause=0.01)
    finally:
        end.cancel()


def test_a_file_is_seen_each_time_that_it_is_saved_in_whatever_way(project: Path) -> None:
    changes = Changes(project)
    for file in (project / "herald.toml", project / "chalicelib" / "logic" / "b.py"):
        name = file.relative_to(project).as_posix()
        for text in ("first", "other", "third"):  # Of one length, and perhaps within one tick of the clock.
            save(file, text)
            assert seen(changes) == [name]
        file.write_text("in place")
        assert seen(changes) == [name]
        file.unlink()
        assert seen(changes) == [name]
        file.write_text("there again")
        assert seen(changes) == [name]
    assert seen(changes) == []


def test_what_is_made_moved_or_removed_is_seen(project: Path) -> None:
    changes = Changes(project)
    (project / "chalicelib" / "new").mkdir()
    (project / "chalicelib" / "new" / "c.py").write_text("c")
    assert seen(changes) == ["chalicelib/new/c.py"]
    (project / "chalicelib" / "new").rename(project / "chalicelib" / "newer")
    assert seen(changes) == ["chalicelib/new/c.py", "chalicelib/newer/c.py"]
    save(project / "chalicelib" / "newer" / "c.py", "again")
    assert seen(changes) == ["chalicelib/newer/c.py"], "a folder that was made since is looked into, too"
    shutil.rmtree(project / "vendor")
    assert seen(changes) == ["vendor/d.py"]
    (project / "vendor").mkdir()
    (project / "vendor" / "d.py").write_text("anew")
    assert seen(changes) == ["vendor/d.py"], "and one that was removed and made anew"


@pytest.mark.parametrize(
    "name",
    [
        *("chalicelib/.a.py.swp", "chalicelib/4913", "chalicelib/a.py~", "chalicelib/#a.py#", "chalicelib/a.py.bak"),
        *("chalicelib/a.py.tmp", "chalicelib/__pycache__/a.cpython-311.pyc", ".herald.toml.swp", "herald.toml~"),
        *("notes.txt", "docs/page.md", ".herald/local/aws.log"),
    ],
)
def test_what_editors_leave_and_what_is_not_deployed_is_no_change(project: Path, name: str, tmp_path: Path) -> None:
    changes = Changes(project)
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).write_text("…")
    assert seen(changes, 0.1) == []
    mirror(project, tmp_path)
    assert name not in files(tmp_path)


def test_a_link_to_nowhere_is_no_fault(project: Path) -> None:
    """Emacs locks a file by one."""
    changes = Changes(project)
    (project / "chalicelib" / "lock").symlink_to("user@host.1")
    assert seen(changes, 0.1) == []


# What is said of a deployment that failed


def broken(tmp_path: Path, code: str) -> str:
    (tmp_path / "chalicelib").mkdir()
    (tmp_path / "chalicelib" / "functions.py").write_text(code)
    (tmp_path / "app.py").write_text("import chalicelib.functions\n")
    ran = subprocess.run([sys.executable, "app.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "Traceback" in ran.stderr
    return short_traceback(ran.stderr, tmp_path)


@pytest.mark.parametrize(
    ("code", "line", "error"),
    [
        ("a = 1\nFUNCTIONS = (\n", 2, "SyntaxError: '(' was never closed"),
        ("a = b\n", 1, "NameError: name 'b' is not defined"),
        ("import json\n\njson.loads('x')\n", 3, "json.decoder.JSONDecodeError: Expecting value"),
        ("try:\n    1 / 0\nexcept ZeroDivisionError:\n    int('x')\n", 4, "ValueError: invalid literal"),
        ("from chalicelib import nothing\n", 1, "ImportError: cannot import name 'nothing'"),
        ("raise ValueError('two\\nlines')\n", 1, "ValueError: two\nlines"),
    ],
)
def test_a_mistake_in_ones_own_code_is_told_with_its_place_and_without_the_way_there(
    tmp_path: Path, code: str, line: int, error: str
) -> None:
    told = broken(tmp_path, code)
    assert told.startswith(f"chalicelib/functions.py, line {line}:\n    ")
    assert error in told
    assert "Traceback" not in told
    assert "app.py" not in told
    assert "Error" not in told.partition(error)[2]


def test_an_error_elsewhere_is_told_alone_and_a_text_of_another_kind_as_it_is(tmp_path: Path) -> None:
    text = 'Words.\nTraceback (most recent call last):\n  File "/usr/lib/x.py", line 1, in x\n    x()\nOSError: full\n'
    assert short_traceback(text, tmp_path) == "OSError: full"
    assert short_traceback("Some words.\n", tmp_path) == "Some words."


def test_what_aws_refused_is_told_with_its_reason(tmp_path: Path) -> None:
    refused: Any = {"Error": {"Code": "MalformedPolicyDocument", "Message": "Syntax errors in policy."}}
    try:
        raise ChaliceDeploymentError(ClientError(refused, "PutRolePolicy"))
    except ChaliceDeploymentError:
        told = short_traceback(traceback.format_exc(), tmp_path)
    assert told.startswith("chalice.deploy.deployer.ChaliceDeploymentError: ERROR")
    assert "(MalformedPolicyDocument)" in told
    assert told.endswith("Syntax errors in policy.")


# Steps


def line(**fields: object) -> str:
    return json.dumps({"level": "INFO", "message": "Accepted", **fields})


REFUSED = {"message": "Refused", "status": 403, "origin": "http://localhost:1313", "hint": "to allow it, …"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            line(message_id="11111111-1111", site="a", correlation_id="x", timestamp="…", cold_start=True),
            "11111111  Accepted: site a",
        ),
        (line(correlation_id="22222222-2"), "22222222  Accepted"),
        (line(**REFUSED), "          Refused: status 403, origin http://localhost:1313, to allow it, …"),
        (
            line(problems=["name: required", "email: invalid_email"], status=422, reason=None, action=""),
            "          Accepted: status 422, problems name: required, email: invalid_email",
        ),
    ],
    ids=["what matters", "no details", "the line that lets a refused page in", "a list in one line"],
)
def test_a_step_is_told_with_its_function_its_message_and_what_matters(text: str, told: str) -> None:
    assert step_text("api_handler", text) == f"api_handler      {told}"


def test_an_error_of_the_runtime_is_told_in_one_line() -> None:
    text = "[ERROR] DeliveryIncompleteError: still to deliver\nTraceback (most recent call last):\n  File …"
    assert step_text("destined", text).endswith("[ERROR] DeliveryIncompleteError: still to deliver")


@pytest.mark.parametrize(
    "text",
    [
        *("", "\n", "START RequestId: 1", "END RequestId: 1", "REPORT RequestId: 1 Duration", "INIT_START Runtime"),
        *("Traceback", "7", "null", "[]", "{}", '"text"', '{"message_id": "x"}'),
    ],
)
def test_what_lambda_writes_around_a_run_and_json_of_another_shape_are_not_told(text: str) -> None:
    assert step_text("destined", text) == ""


class Logs:
    """The logs of two functions; the others have none. Answers as CloudWatch does, and fails once."""

    def __init__(self, events: dict[str, list[dict[str, Any]]]) -> None:
        self.events = events
        self.failures = [True]

    def get_paginator(self, operation: str) -> Logs:
        assert operation == "describe_log_groups"
        return self

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:
        own = [name for name in self.events if name.startswith(asked["logGroupNamePrefix"])]
        return [{"logGroups": [{"logGroupName": name} for name in (*own, "/aws/lambda/herald-dev2-notify")]}]

    def filter_log_events(self, **asked: Any) -> dict[str, Any]:
        if asked["logGroupName"].endswith("-destined") and self.failures:
            self.failures.pop()
            raise ClientError({"Error": {"Code": "ServiceUnavailableException"}}, "FilterLogEvents")
        events = self.events.get(asked["logGroupName"])
        if events is None:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "FilterLogEvents")
        return {"events": [event for event in events if event["timestamp"] >= asked["startTime"]]}


# Forms that were posted elsewhere


PAGE = "http://localhost:1313"
API = "/restapis/herald/api/_user_request_"


@pytest.mark.parametrize(
    ("method", "path", "origin", "status", "told"),
    [
        ("POST", "/contact", PAGE, 403, True),
        ("OPTIONS", "/contact", PAGE, 403, True),
        ("POST", f"{API}/contacts", PAGE, 403, True),
        ("POST", f"{API}/contact/", PAGE, 404, True),
        ("POST", "/contact", "null", 405, True),
        ("POST", "/bucket", PAGE, 204, False),
        ("GET", "/contact", PAGE, 403, False),
        ("POST", "/", "", 403, False),
        ("POST", f"{API}/contact", PAGE, 403, False),
        ("POST", f"{API}/contact/shop", PAGE, 404, False),
        ("POST", f"{API}/f/shop", PAGE, 404, False),
    ],
)
def test_a_form_posted_where_none_is_is_told(method: str, path: str, origin: str, status: int, told: bool) -> None:
    reported: list[tuple[str, str]] = []
    app = MisdirectedForms(PlainTextResponse("", status), lambda page, path: reported.append((page, path)))
    answered: list[Any] = []

    async def receive() -> Any: ...

    async def send(message: Any) -> None:
        answered.append(message.get("status"))

    headers = [(b"origin", origin.encode())] if origin else []
    asked = app({"type": "http", "method": method, "path": path, "headers": headers}, receive, send)
    with pytest.raises(StopIteration):
        asked.send(None)
    assert answered[0] == status
    assert reported == ([(origin, path)] if told else [])


def test_what_the_local_aws_prints_of_such_a_form_is_read_whole_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    misdirected_forms.print_report(PAGE, "/contact\nmisdirected form: []")
    printed = capsys.readouterr().out
    log = tmp_path / "aws.log"
    log.write_text("misdirected form: from before\n", encoding="utf-8")
    reported: list[tuple[str, str]] = []
    looks = iter((f"WARNING other\n{printed[:20]}", printed[20:]))

    def ended() -> bool:
        with log.open("a", encoding="utf-8") as file:
            file.write(next(looks, ""))
        return bool(reported)

    misdirected_forms.follow(log, lambda page, path: reported.append((page, path)), ended)
    assert reported == [(PAGE, "/contact\nmisdirected form: []")]


def test_the_terminal_names_the_address_of_each_sites_form() -> None:
    addresses = {"form": "http://a/contact", "form shop": "http://a/contact/shop", "api": "http://a"}
    assert run._forms(addresses) == "  form        http://a/contact\n  form shop   http://a/contact/shop"
    assert run._forms({"form": "http://a/contact"}) == "  form    http://a/contact"


def test_steps_of_all_functions_are_reported_oldest_first_and_once_also_of_one_that_came_later() -> None:
    now = time.time()

    def event(seconds: int, text: str) -> dict[str, Any]:
        return {"timestamp": int((now + seconds) * 1000), "message": line(message=text), "logStreamName": "s"}

    of_api, of_destined = [event(-9, "Long ago"), event(3, "Accepted")], [event(1, "Handled"), event(4, "Again")]
    logs = Logs({"/aws/lambda/herald-dev": of_api, "/aws/lambda/herald-dev-destined": of_destined})
    reported: list[str] = []

    def report(text: str) -> None:
        reported.append(f"{text.split()[0]} {text.split()[-1]}")
        if len(reported) == 3:
            logs.events["/aws/lambda/herald-dev-notify_own"] = [event(5, "New")]

    account = cast("Account", SimpleNamespace(logs=logs))
    follow(account, stage("dev", channels=()), now, report, lambda: len(reported) >= 4)
    assert reported == ["destined Handled", "api_handler Accepted", "destined Again", "notify_own New"]
