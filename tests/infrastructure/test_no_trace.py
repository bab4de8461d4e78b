"""What a stage doesn't use leaves nothing in it: no function, right, address, parameter, key of the table or import."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from chalicelib.adapters.message_table import MessageTable
from chalicelib.adapters.recent_activity import RecentTable
from chalicelib.composition import override_container
from chalicelib.functions import functions_of, settings_of
from chalicelib.handlers import destined
from chalicelib.logic.message import Message
from chalicelib.settings import Stage
from ops.config.loader import load
from ops.deploy.project_copy import mirror
from ops.generate import openapi, render
from ops.naming import AwsLocation
from ops.templates import wiring
from tests.dynamodb import LocalTable
from tests.fakes import NOW, Context, FakeContainer, RecordingNotifier

ROOT = Path(__file__).parents[2]
SHIPPED = (ROOT / "herald.toml").read_text(encoding="utf-8")
WITH = {
    "inbox": SHIPPED.replace("[stages.local]\n", "[stages.local]\ninbox = true\n", 1),
    "captcha": f"{SHIPPED}\n[sites.default.spam.captcha]\npoints = 5\nkind = 'turnstile'\n",
    "autoreply": f"""{SHIPPED}
[sites.default.autoreply]
from = "hello@example.com"

[sites.default.autoreply.texts.en]
subject = "Got it"
text = "Hello."
""",
}
TRACES = {
    # destined reads the stage's key, which makes the links.
    "inbox": {"functions", "policies", "resources", "registered", "parameters", "modules", "notification"},
    "captcha": {"policies", "openapi", "parameters", "table"},
    "autoreply": {"functions", "policies", "resources", "registered", "modules"},
}
"""Where each one shows when it is used: what is not looked for in the right place would be found nowhere."""
WORDS = {"inbox": r"inbox|spam/key|jinja2", "captcha": r"captcha's token|/captcha/|captcha#", "autoreply": r"autoreply"}
"""What is their own. Names of fields aren't: every stage knows those of captchas' tokens, and ignores them."""

REGISTERED = """
import json, sys
import app
from chalicelib import handlers
functions = app.app.handler_map
for name in functions:
    getattr(handlers, "notify" if name.startswith("notify_") else handlers._HANDLER_OF.get(name, "contact"))
print(json.dumps({"registered": sorted([*functions, *app.app.routes]), "modules": sorted(sys.modules)}))
"""


class Link:
    """The stage's key and the inbox's address."""

    def read(self) -> dict[str, str]:
        return {"spam/key": "k" * 43, "resources/inbox": "https://example.com/inbox"}

    def forget(self) -> None:
        raise AssertionError("nothing refuses it")


def delivered(stage: Stage) -> dict[str, object]:
    """What a message leaves in the table, and what its notification says."""
    table: Any = LocalTable(stage.table)
    notifier = RecordingNotifier()
    container = FakeContainer(
        stage,
        messages=MessageTable(table, stage),
        recent=RecentTable(table, stage.table),
        notifiers={"pushover": notifier},
        captcha_services={"default": lambda captcha, fields: {"success": True, "hostname": "127.0.0.1"}},
    )
    vars(container)["inbox_parameters"] = Link()
    event = json.loads((ROOT / "tests/contract/samples/sns-event.json").read_text())
    sns = event["Records"][0]["Sns"]
    sns["Message"] = Message("message-1", "default", NOW, {"message": "Hi"}, captcha="token").serialize()
    sns["MessageAttributes"] = {"kind": {"Type": "String", "Value": "contact"}}
    with override_container(container):
        assert destined.handle(event, Context(remaining=100_000))["action"] == "delivered"
    (sent,) = notifier.delivered
    return {"table": table.items(), "notification": sent.inbox and f"inbox {sent.inbox}"}


def found(toml: str, folder: Path) -> dict[str, str]:
    """All that stage ``local`` is made of, and does with one message."""
    mirror(ROOT, folder)
    (folder / "herald.toml").write_text(toml, encoding="utf-8")
    configs = load(folder)
    render.write(folder, render.generated(configs))
    stage, functions = configs["local"].stage, functions_of(configs["local"].stage)
    environ = {**os.environ, "HERALD_STAGE": "local", "PYTHONPATH": str(folder)}
    ran = subprocess.run([sys.executable, "-c", REGISTERED], cwd=folder, env=environ, capture_output=True, check=True)
    where = AwsLocation("aws", "eu-central-1", "123456789012")
    places = {
        "functions": [(spec.name, settings_of(spec, stage)) for spec in functions],
        "policies": list(render.policies(stage, where).values()),
        "resources": wiring.template(stage, with_alarms=True, extensions=configs["local"].extensions),
        "openapi": openapi.document(stage, "/api"),
        "parameters": [*([stage.spam_key_parameter] if stage.needs_key else []), *stage.captcha_secrets.values()],
        **cast(dict[str, object], json.loads(ran.stdout)),
        **delivered(stage),
    }
    return {name: json.dumps(content) for name, content in places.items()}


@pytest.mark.parametrize("option", TRACES)
def test_what_is_on_shows_in_these_places_and_what_is_off_in_none(option: str, tmp_path: Path) -> None:
    def traces(toml: str, folder: str) -> set[str]:
        places = found(toml, tmp_path / folder)
        return {name for name, text in places.items() if re.search(WORDS[option], text, re.IGNORECASE)}

    assert traces(WITH[option], "with") == TRACES[option]
    assert traces(SHIPPED, "without") == set()
