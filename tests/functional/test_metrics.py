"""What CloudWatch counts: log lines in the embedded metric format, held against its specification.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chalice.test import Client

from chalicelib import handlers
from chalicelib.composition import override_container
from chalicelib.errors import ChannelRejectedError, ChannelUnavailableError, ChannelUncertainError, HeraldError
from chalicelib.logic.message import Message
from chalicelib.settings import Spam, Stage
from tests.fakes import (
    NOW,
    FakeContainer,
    InMemoryMessages,
    RecordingNotifier,
    RefusingNotifier,
    message,
    site,
)
from tests.functional.conftest import Form

Value = tuple[str, float, dict[str, str]]


def values(captured: str) -> list[Value]:
    """Name, value and dimensions of each metric among the lines that were written."""
    found: list[Value] = []
    for text in captured.splitlines():
        line: dict[str, Any] = json.loads(text)
        if "_aws" not in line:
            continue
        assert isinstance(line["_aws"]["Timestamp"], int)
        for directive in line["_aws"]["CloudWatchMetrics"]:
            assert directive["Namespace"] == "Herald"
            [names] = directive["Dimensions"]
            assert len(names) <= 30
            for metric in directive["Metrics"]:
                assert isinstance(metric.get("Unit", ""), str)
                [value] = line[metric["Name"]]
                found.append((metric["Name"], value, {name: line[name] for name in names}))
    return found


def handle(it: Stage, one: Message, notifier: Any, context: Any, now: int = NOW) -> None:
    composition = FakeContainer(it, messages=InMemoryMessages(), notifiers={"pushover": notifier}, now=now)
    sns = {
        "Message": one.serialize(),
        "MessageId": "m",
        "MessageAttributes": {"kind": {"Type": "String", "Value": "contact"}},
    }
    with override_container(composition):
        handlers.destined.handle({"Records": [{"Sns": sns}]}, context)


def test_an_accepted_message_and_a_refused_one_are_counted(
    form: Form, refusing_form: Form, capsys: pytest.CaptureFixture[str]
) -> None:
    form.post(b'{"message": "Hello MARKER"}')
    form.post(b'{"email": "MARKER"}')
    refusing_form.post(b'{"message": "Hello MARKER"}')
    written = capsys.readouterr().out
    stage = {"stage": "local"}
    assert values(written) == [("Accepted", 1, stage), ("Refused", 1, stage), ("Refused", 1, stage)]
    reasons = [line["reason"] for line in map(json.loads, written.splitlines()) if "Refused" in line]
    assert reasons == ["invalid", "unavailable"]
    assert "MARKER" not in written


def test_a_delivery_is_counted_with_the_time_that_it_took(
    local: Stage, context: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    handle(local, message(message="MARKER"), RecordingNotifier(), context, now=NOW + 7)
    written = capsys.readouterr().out
    where = {"stage": "local", "channel": "pushover"}
    assert values(written) == [("Delivered", 1, where), ("SecondsToDelivery", 7, where)]
    assert "MARKER" not in written


@pytest.mark.parametrize(
    ("error", "metric"),
    [
        (ChannelUnavailableError("down"), "Waiting"),
        (ChannelUncertainError("no answer"), "Uncertain"),
        (ChannelRejectedError("no"), "Undeliverable"),
    ],
)
def test_every_other_outcome_is_counted_by_its_channel(
    local: Stage, context: Any, capsys: pytest.CaptureFixture[str], error: HeraldError, metric: str
) -> None:
    with contextlib.suppress(HeraldError):
        handle(local, message(), RefusingNotifier(error), context)
    assert values(capsys.readouterr().out) == [(metric, 1, {"stage": "local", "channel": "pushover"})]


def test_what_rings_nobody_is_counted_by_its_reason(
    local: Stage, context: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    strict = local._replace(sites={"default": site(spam=Spam(points={"honeypot": 10}))})
    handle(strict, replace(message(), signals=("honeypot",)), RecordingNotifier(), context)
    assert values(capsys.readouterr().out) == [("Quarantined", 1, {"stage": "local"})]


def test_a_message_of_which_on_failure_hears_is_counted(
    client: Client, local: Stage, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sns = {"Message": message(message="MARKER").serialize(), "MessageAttributes": {"kind": {"Value": "contact"}}}
    event = json.loads((root / "tests/contract/samples/failure.json").read_text(encoding="utf-8"))
    event["detail"]["requestPayload"] = {"Records": [{"Sns": sns}]}
    with override_container(FakeContainer(local)):
        client.lambda_.invoke("on_failure", event)
    written = capsys.readouterr().out
    assert values(written) == [("Failed", 1, {"stage": "local"})]
    assert "MARKER" not in written


def test_a_stage_that_wants_no_metrics_writes_none(
    form: Form, context: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    form.stage = form.stage._replace(metrics=False)
    form.post(b'{"message": "Hi"}')
    handle(form.stage, message(), RecordingNotifier(), context)
    assert values(capsys.readouterr().out) == []
