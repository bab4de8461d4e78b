"""What a function really writes: a process of its own, as Lambda starts it, and its two output streams."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import json
from pathlib import Path
import app
from chalicelib.composition import override_container
from chalicelib.errors import ChannelUncertainError
from tests.fakes import FakeContainer, InMemoryMessages, RecordingTopic, RefusingNotifier, RefusingTopic
from tests.fakes import Context

sample = json.loads(Path("tests/contract/samples/api-gateway-proxy-request.json").read_text())
def post(body, content_type="application/json"):
    headers = {"Content-Type": content_type}
    context = {**sample["requestContext"], "resourcePath": "/contact", "httpMethod": "POST"}
    event = {**sample, "headers": headers, "multiValueHeaders": {"Content-Type": [content_type]}, "body": body}
    return app.app({**event, "path": "/contact", "httpMethod": "POST", "requestContext": context}, Context())

fields = {name: f"MARKER-{name}@example.com" for name in ("source", "name", "email", "message")}
topic = RecordingTopic()
with override_container(FakeContainer(app.stage, topic=topic)):
    post(json.dumps(fields))
    post("MARKER")
    post(json.dumps({"email": "MARKER"}))
with override_container(FakeContainer(app.stage, topic=RefusingTopic())):
    post(json.dumps(fields))
class BrokenTopic:
    def publish(self, text, **more):
        marked = text
        raise ZeroDivisionError
with override_container(FakeContainer(app.stage, topic=BrokenTopic())):
    post(json.dumps(fields))
event = json.loads(Path("tests/contract/samples/sns-event.json").read_text())
event["Records"][0]["Sns"]["Message"] = topic.published[0].text
notifier = RefusingNotifier(ChannelUncertainError("no answer"))
with override_container(FakeContainer(app.stage, messages=InMemoryMessages(), notifiers={"pushover": notifier})):
    try:
        app.destined(event, Context())
    except Exception as error:
        print(json.dumps({"message": f"{type(error).__name__}: {error}"}))
"""


def test_neither_output_stream_ever_holds_what_a_visitor_typed_and_each_line_is_json(root: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT],
        cwd=root,
        env={"HERALD_STAGE": "local", "PATH": "", "PYTHONPATH": f"{root}:vendor"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "MARKER" not in ran.stdout + ran.stderr
    assert ran.stderr == ""
    written = [json.loads(line) for line in ran.stdout.splitlines()]
    lines = [line["message"] for line in written if "_aws" not in line]
    assert lines == [
        "Accepted",
        "Refused",
        "Refused",
        "The topic did not accept the message",
        "Unexpected",
        "Refused",
        "DeliveryIncompleteError: still to deliver: pushover uncertain",
    ]
