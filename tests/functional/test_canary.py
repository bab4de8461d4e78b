"""``canary`` and what ``destined``, ``on_failure`` and the table do with what it sends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from chalice.test import Client

from chalicelib.adapters.dynamodb_items import from_item
from chalicelib.adapters.last_canary import CanaryItem
from chalicelib.composition import override_container
from chalicelib.errors import CanaryError, ChannelUnavailableError, PublishError
from chalicelib.handlers import canary as handler
from chalicelib.logic.canary_arrival import Canary
from tests.contract.test_outcomes import sns_event
from tests.dynamodb import LocalTable
from tests.fakes import (
    FUNCTION_ARN,
    NOW,
    FakeContainer,
    InMemoryAlarms,
    InMemoryMessages,
    RecordingNotifier,
    RecordingTopic,
    RefusingNotifier,
    RefusingTopic,
    stage,
)
from tests.functional.test_outcomes import event

CANARY = Canary("canary-1", NOW)


class Log:
    """Takes note of nothing."""

    def record_arrival(self, canary: Canary, at: int) -> None:
        """Store nothing."""

    def record_checks(self, canary: Canary, channels: object, at: int) -> None:
        """Store nothing."""


def composition(notifier: Any, **more: Any) -> FakeContainer:
    it = FakeContainer(stage(name="local")._replace(**more), notifiers={"pushover": notifier})
    it.__dict__["canary_log"] = Log()
    return it


def test_one_is_published_as_a_message_is_with_a_kind_of_its_own(context: Any, log: Any) -> None:
    topic = RecordingTopic()
    with override_container(FakeContainer(stage(), topic=topic)):
        handler.send(context)
    (published,) = topic.published
    canary = Canary.deserialize(published.text)
    assert canary.sent_at == NOW
    assert canary.id.startswith("canary-")
    assert (published.site, published.kind, published.function_arn) == ("-", "canary", FUNCTION_ARN)
    assert log.line("Canary sent")["message_id"] == canary.id


def test_a_topic_that_takes_nothing_fails_the_run_so_that_lambda_tries_again(context: Any) -> None:
    with override_container(FakeContainer(stage(), topic=RefusingTopic())), pytest.raises(PublishError):
        handler.send(context)


def test_destined_answers_it_without_a_message_a_push_or_a_metric(
    client: Client, context: Any, log: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    notifier = RecordingNotifier()
    it = composition(notifier)
    with override_container(it):
        answer = client.lambda_.invoke("destined", sns_event(CANARY.serialize(), "canary")).payload
    assert (answer["source"], answer["action"], answer["message"]["id"]) == ("herald.canary", "arrived", "canary-1")
    assert (len(notifier.checked), notifier.delivered) == (1, [])
    assert "_aws" not in capsys.readouterr().out
    assert log.line("Canary arrived")["correlation_id"] == "canary-1"
    # Nobody has given the composition a store for messages: it would have needed the environment.
    assert "messages" not in it.__dict__


def test_destined_fails_where_a_channel_could_not_deliver(client: Client) -> None:
    refusing = RefusingNotifier(ChannelUnavailableError("down"))
    with override_container(composition(refusing)), pytest.raises(CanaryError, match="pushover: down"):
        client.lambda_.invoke("destined", sns_event(CANARY.serialize(), "canary"))


def failure(root: Path) -> dict[str, Any]:
    thrown = {"errorType": "CanaryError", "errorMessage": "pushover: down", "stackTrace": []}
    return event(root, "failure.json", CANARY.serialize(), "canary", responsePayload=thrown)


def test_on_failure_warns_in_the_notifiers_words(client: Client, root: Path, log: Any) -> None:
    client.lambda_.invoke("on_failure", failure(root))
    (line,) = log.lines
    assert (line["level"], line["message"], line["message_id"]) == ("WARNING", "Canary did not get through", "canary-1")
    assert line["error"]["errorMessage"] == "pushover: down"
    assert "request" not in line


def test_the_owner_hears_of_it_by_a_channel_that_works(client: Client, root: Path) -> None:
    broken, working = RefusingNotifier(ChannelUnavailableError("down")), RecordingNotifier()
    it = FakeContainer(
        stage(name="local", channels=("pushover", "email"))._replace(alarm_channels=("pushover", "email")),
        messages=InMemoryMessages(),
        alarm_log=InMemoryAlarms(),
        notifiers={"pushover": broken, "email": working},
    )
    with override_container(it):
        client.lambda_.invoke("on_failure", failure(root))
    (told,) = working.delivered
    assert told.message.endswith("pushover: down")


# The table


def test_it_is_one_item_that_no_index_has_and_each_replaces_the_one_before() -> None:
    table = LocalTable(stage().table)
    item = CanaryItem(table, stage().table)  # type: ignore[arg-type]
    item.record_checks(CANARY, {"a": "", "b": "ChannelUnavailableError"}, NOW - 9)
    item.record_arrival(CANARY, NOW + 1)
    written = {"id": "canary#", "canary": "canary-1", "sent_at": NOW, "came_at": NOW + 1}
    assert [from_item(each) for each in table.items().values()] == [written], "it has no `site` and no `due`"
    item.record_checks(CANARY, {"a": "", "b": "ChannelUnavailableError"}, NOW + 2)
    checked = {"ended_at": NOW + 2, "channels": {"a": "", "b": "ChannelUnavailableError"}}
    assert [from_item(each) for each in table.items().values()] == [written | checked]
