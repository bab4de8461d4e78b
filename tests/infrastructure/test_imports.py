"""Each function pays for its own imports, pays them when it starts, and for no other's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.declared import HTTP

PRINT = "import json, sys, app; print(json.dumps(sorted(sys.modules)))"
MINE = {
    "app.app": {"answer_format", "contact", "cors", "form_answers", "form_request"},
    "app.destined": {"destined"},
    "app.notify_pushover": {"notify"},
    "app.get_message": {"stored_messages"},
    "app.list_messages": {"stored_messages"},
    "app.get_message_url": {"stored_messages", "get_message_url"},
    "app.on_success": {"on_success"},
    "app.on_failure": {"on_failure"},
}
ENTRY_POINTS = list(MINE)
FOR_SOME_FORMS = (
    *("chalicelib.texts", "chalicelib.logic.guessed_field_names", "chalicelib.logic.error_page"),
    *("chalicelib.handlers.problem_documents", "chalicelib.handlers.openapi"),
)
READING = {"stored_messages", "aws", "dynamodb_items", "item_table", "message_table"}
SENDING = {"dynamodb_items", "herald_client", "item_table", "message_table", "notifier_client"}


def run(root: Path, environ: dict[str, str], program: str, *options: str) -> str:
    """What a program prints in a fresh process that takes warnings for errors."""
    command = [sys.executable, "-W", "error", "-c", program, *options]
    ran = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def loaded(root: Path, entry_point: str, *, stage: str = "local", before: str = "") -> set[str]:
    """The modules that a fresh process has loaded when the function is ready for its first request.

    ``before`` is run first.
    """
    environ = {
        "HERALD_STAGE": stage,
        "_HANDLER": entry_point,
        "AWS_LAMBDA_FUNCTION_NAME": "herald-local",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "PATH": "",
    }
    if entry_point == "app.destined":
        environ["LAMBDA_NOTIFICATIONS"] = "pushover=herald-local-notify_pushover"
    return set(json.loads(run(root, environ, before + PRINT).splitlines()[-1]))


def adapters_of(modules: set[str]) -> set[str]:
    """The adapters among them: ``adapters.aws`` as one, each provider by itself."""
    names = {name.removeprefix("chalicelib.adapters.") for name in modules if name.startswith("chalicelib.adapters.")}
    return {"aws" if name.startswith("aws.") else name for name in names} - {"providers"}


@pytest.fixture(scope="session")
def modules(root: Path) -> dict[str, set[str]]:
    return {entry_point: loaded(root, entry_point) for entry_point in ENTRY_POINTS}


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_a_function_has_its_own_handler_when_it_is_ready_and_no_others(
    modules: dict[str, set[str]], entry_point: str
) -> None:
    handlers = {name for name in modules[entry_point] if name.startswith("chalicelib.handlers.")}
    assert handlers == {f"chalicelib.handlers.{name}" for name in MINE[entry_point]}


@pytest.mark.parametrize("entry_point", [one for one in ENTRY_POINTS if one != "app.notify_pushover"])
def test_only_the_pushover_notifier_loads_requests(modules: dict[str, set[str]], entry_point: str) -> None:
    assert not {"requests", "chalicelib.adapters.providers.pushover"} & modules[entry_point]
    assert "requests" in modules["app.notify_pushover"], "and it does so at its start"


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_nobody_loads_boto3_or_the_terminals_side(modules: dict[str, set[str]], entry_point: str) -> None:
    top = {name.partition(".")[0] for name in modules[entry_point]}
    unwanted = {"boto3", "s3transfer", "ops", "click", "yaml", "pydantic", "tests", "pytest", "starlette", "ministack"}
    assert not top & unwanted


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_nobody_loads_what_only_some_forms_need(modules: dict[str, set[str]], entry_point: str) -> None:
    """Parsing multipart, validating an address, and finding words: paid for by the request that needs them."""
    top = {name.partition(".")[0] for name in modules[entry_point]}
    assert not top & {"multipart", "email_validator", "dns"}
    assert not any(name.startswith(FOR_SOME_FORMS) for name in modules[entry_point])
    # Requests brings idna along.
    assert "idna" not in top or entry_point == "app.notify_pushover"


@pytest.mark.parametrize("entry_point", ["app.app", "app.destined", "app.notify_pushover"])
def test_what_talks_to_aws_has_its_client_when_it_is_ready(modules: dict[str, set[str]], entry_point: str) -> None:
    assert {"chalicelib.adapters.aws.own_client", "http.client"} <= modules[entry_point]


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_nobody_loads_botocore(modules: dict[str, set[str]], entry_point: str) -> None:
    """Powertools imports the bare package for a user agent, which costs nothing."""
    assert not any(name.startswith("botocore.") for name in modules[entry_point])


def test_outside_lambda_the_client_is_botocores(root: Path) -> None:
    """As under ``chalice local``, where credentials may be of any kind."""
    before = "import os; del os.environ['AWS_LAMBDA_FUNCTION_NAME']; "
    assert "botocore.client" in loaded(root, "app.app", before=before)


@pytest.mark.parametrize(
    ("entry_point", "adapters"),
    [
        ("app.app", {"aws", "topic"}),
        ("app.destined", SENDING | {"aws", "recent_activity", "ring_budget"}),
        ("app.notify_pushover", {"aws", "provider_http", "providers.pushover", "secrets"}),
        ("app.get_message", READING),
        ("app.list_messages", READING),
    ],
)
def test_each_function_loads_only_its_own_adapters(
    modules: dict[str, set[str]], entry_point: str, adapters: set[str]
) -> None:
    assert adapters_of(modules[entry_point]) == adapters


def test_the_map_alone_loads_no_handler_and_no_client(root: Path) -> None:
    """As Chalice imports it for a deployment."""
    found = loaded(root, "")
    assert not any(name.startswith(("chalicelib.handlers.", "chalicelib.adapters.")) for name in found)
    assert not any(name.startswith(("botocore.", "requests")) for name in found)


def test_an_unknown_entry_point_loads_nothing_more(root: Path) -> None:
    for entry_point in ("other.destined", "app.nothing", "destined"):
        assert not any(name.startswith("chalicelib.handlers.") for name in loaded(root, entry_point))


def test_the_import_rules_hold(root: Path) -> None:
    """pyproject.toml's [tool.importlinter]: the logic is pure, adapters know no handler, and so on."""
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    assert "Contracts: " in run(root, {"PATH": "", "PYTHONPATH": str(root)}, program, "--no-cache")


WITH_CHANNEL = """
from chalicelib import stages
from chalicelib.settings import Channel, Stage
from tests.declared import declared_channel
from tests.fakes import LIMITS, mail_channel, site
options = {{"format": "standard", "signed": True, "headers": (), "priority": 0, "template": "", "longest": 0}}
it = {channel}
stages.STAGES["other"] = Stage("other", {{"default": site("default", it.name)}}, {{it.name: it}}, LIMITS)
import sys
others = ("chalicelib.", "requests", "urllib3", "idna", "email_validator", "dns", "boto3", "ops", "pydantic")
for name in [name for name in sys.modules if name.startswith(others)]:
    if name not in ("chalicelib.stages", "chalicelib.settings"):
        del sys.modules[name]
"""
"""A stage with a channel that those of ``herald.toml`` have not, put beside them."""


def loaded_by_notifier(root: Path, kind: str, channel: str) -> set[str]:
    found = loaded(root, f"app.notify_{kind}", stage="other", before=WITH_CHANNEL.format(channel=channel))
    assert {name for name in found if name.startswith("chalicelib.handlers.")} == {"chalicelib.handlers.notify"}
    assert "chalicelib.adapters.aws.own_client" in found
    return found


def test_the_webhook_notifier_is_ready_with_its_own_adapters_and_no_other_function_has_them(
    root: Path, modules: dict[str, set[str]]
) -> None:
    mine = loaded_by_notifier(root, "webhook", 'Channel("own", "webhook", True, 5, "", options)')
    assert adapters_of(mine) == {"aws", "provider_http", "providers.webhook", "secrets"}
    assert {"requests", "standardwebhooks"} <= mine
    own = {"standardwebhooks", "chalicelib.adapters.providers.webhook", "chalicelib.logic.webhook_request"}
    assert [entry_point for entry_point, others in modules.items() if own & others] == []


def test_the_email_notifier_loads_neither_http_of_its_own_nor_what_only_some_addresses_need(
    root: Path, modules: dict[str, set[str]]
) -> None:
    mine = loaded_by_notifier(root, "email", "mail_channel()")
    assert adapters_of(mine) == {"aws", "providers.email"}
    top = {name.partition(".")[0] for name in mine}
    assert not top & {"requests", "urllib3", "idna", "email_validator", "boto3", "pydantic", "ops"}
    own = {"chalicelib.logic.notification_mail", "chalicelib.adapters.providers.email"}
    assert [entry_point for entry_point, others in modules.items() if own & others] == []


@pytest.mark.parametrize("kind", HTTP)
def test_the_notifier_of_a_declared_kind_has_its_own_provider_alone(root: Path, kind: str) -> None:
    mine = loaded_by_notifier(root, kind, f'declared_channel("{kind}")')
    assert adapters_of(mine) == {"aws", "http_notifier", "provider_http", f"providers.{kind}", "secrets"}


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_the_declarations_are_loaded_by_notifiers_alone_and_the_manifest_by_nobody(
    modules: dict[str, set[str]], entry_point: str
) -> None:
    assert "chalicelib.functions" not in modules[entry_point]
    declared = "chalicelib.logic.channel_kind" in modules[entry_point]
    assert declared == entry_point.startswith("app.notify_")
