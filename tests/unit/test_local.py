"""The local stack's ports, its copy of the project, and the steps that it shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.stub import Stubber

from ops.account import Account
from ops.config import EXAMPLE
from ops.errors import OpsError
from ops.local.mirror import mirror
from ops.local.ports import Ports
from ops.local.steps import Steps, told
from tests.fakes import stage

Stubbed = Callable[[str], tuple[Any, Stubber]]


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
        "0",
        "80",
        "1023",
        "65536",
        "-1",
        "8080.0",
        "http",
        "８０８０",
        "²",
        " 8080",
        "008080",
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
    overrides = Ports(5000, 6000).overrides(real_pushover=True)
    assert (overrides.aws, overrides.web, overrides.real_pushover) == (
        "http://127.0.0.1:5000",
        "http://127.0.0.1:6000",
        True,
    )


# Mirror


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in (
        "app.py",
        "herald.toml",
        "requirements.txt",
        "chalicelib/a.py",
        "chalicelib/logic/b.py",
        "infra/c.yaml",
        "locks/requirements.txt",
        "vendor/d.py",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    for name in ("chalicelib/__pycache__/a.pyc", "tests/t.py", "ops/o.py", ".chalice/policy-dev-x.json", "secret.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_copy_holds_what_deploying_needs_and_nothing_else(project: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    mirror(project, copy)
    assert files(copy) == {
        "app.py",
        "herald.toml",
        "requirements.txt",
        "chalicelib/a.py",
        "chalicelib/logic/b.py",
        "infra/c.yaml",
        "locks/requirements.txt",
        "vendor/d.py",
    }
    assert (copy / ".chalice").is_dir()


def test_what_was_changed_or_deleted_is_so_in_the_copy_and_chalices_files_stay(project: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    mirror(project, copy)
    (copy / ".chalice" / "deployed").mkdir()
    (copy / ".chalice" / "deployed" / "local.json").write_text("{}")
    (project / "app.py").write_text("changed")
    (project / "chalicelib" / "a.py").unlink()
    mirror(project, copy)
    assert (copy / "app.py").read_text() == "changed"
    assert "chalicelib/a.py" not in files(copy)
    assert ".chalice/deployed/local.json" in files(copy)


# Steps


def line(**fields: object) -> str:
    return json.dumps({"level": "INFO", "message": "Accepted", **fields})


def test_a_step_is_told_with_its_function_its_message_and_what_matters() -> None:
    text = line(message_id="11111111-1111", site="default", correlation_id="x", timestamp="…", cold_start=True)
    assert told("api_handler", text) == "api_handler      11111111  Accepted: site default"


def test_a_step_without_details_has_no_colon() -> None:
    assert told("destined", line(correlation_id="22222222-2")) == "destined         22222222  Accepted"


def test_a_list_is_told_in_one_line() -> None:
    text = line(problems=["name: required", "email: invalid_email"], status=422, reason=None, action="")
    assert told("api_handler", text).endswith("Accepted: status 422, problems name: required, email: invalid_email")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "START RequestId: 1",
        "END RequestId: 1",
        "REPORT RequestId: 1 Duration",
        "INIT_START Runtime",
        "Traceback",
    ],
)
def test_what_lambda_writes_around_a_run_is_not_told(text: str) -> None:
    assert told("destined", text) == ""


def test_an_error_of_the_runtime_is_told_in_one_line() -> None:
    text = "[ERROR] DeliveryIncompleteError: still to deliver\nTraceback (most recent call last):\n  File …"
    assert told("destined", text).endswith("[ERROR] DeliveryIncompleteError: still to deliver")


@pytest.mark.parametrize("text", ["7", "null", "[]", "{}", '"text"', '{"message_id": "x"}'])
def test_json_of_another_shape_is_no_fault(text: str) -> None:
    assert told("destined", text) == ""


def event(at: int, text: str, event_id: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"timestamp": at, "message": text, "logStreamName": "s"}
    return found | {"eventId": event_id} if event_id else found


def steps_of(stubbed: Stubbed) -> tuple[Steps, Stubber]:
    logs, stub = stubbed("logs")
    account = cast("Account", SimpleNamespace(logs=logs))
    return Steps(account, stage("dev", channels=())), stub


def test_steps_of_all_functions_are_told_oldest_first_and_once(stubbed: Stubbed) -> None:
    steps, stub = steps_of(stubbed)
    groups = {
        "api_handler": [event(30, line(message="Accepted"), "1")],
        "destined": [event(10, line(message="Handled")), event(40, line(message="Again"))],
        "on_success": [],
    }

    def round_of(answers: dict[str, list[dict[str, Any]]]) -> None:
        for name in ("api_handler", "destined", "on_success"):
            stub.add_response("filter_log_events", {"events": answers[name]})
        stub.add_client_error("filter_log_events", "ResourceNotFoundException")

    round_of(groups)
    assert [told_.split()[-1] for told_ in steps.new()] == ["Handled", "Accepted", "Again"]
    groups["destined"].append(event(50, line(message="New")))
    round_of(groups)
    assert [told_.split()[-1] for told_ in steps.new()] == ["New"]


def test_steps_beyond_the_first_page_of_a_log_are_told(stubbed: Stubbed) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html: a page may be
    partial, or empty, while ``nextToken`` says that there is more."""
    steps, stub = steps_of(stubbed)
    stub.add_response("filter_log_events", {"events": [], "nextToken": "more"})
    stub.add_response("filter_log_events", {"events": [event(10, line(message="Second"), "2")]})
    for _ in range(3):
        stub.add_response("filter_log_events", {"events": []})
    (step,) = steps.new()
    assert step.split()[0] == "api_handler", "the second page is of the same log"
