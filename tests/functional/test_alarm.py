"""``on_failure`` and ``retry_due`` telling the owner; and the item that keeps it from being told too often."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from botocore.stub import Stubber
from chalice.test import Client

from chalicelib.adapters.last_alarm import AlarmItem
from chalicelib.composition import override_container
from chalicelib.errors import ChannelUnavailableError, StoreError
from chalicelib.logic.delivery_types import Delivery, Notifier, Record, State
from chalicelib.logic.failure_alarm import QUIET
from chalicelib.logic.retry_due import DueMessage
from chalicelib.settings import Stage
from tests.dynamodb import LocalTable
from tests.fakes import (
    NOW,
    FakeContainer,
    InMemoryAlarms,
    InMemoryMessages,
    RecordingNotifier,
    RefusingNotifier,
    message,
)

Stubbed = Callable[[str], tuple[Any, Stubber]]
TABLE = "herald-dev-messages"


class NothingDue:
    """Knows of no message that waits."""

    def find_due(self, now: int, most: int) -> list[DueMessage]:
        return []

    def set_due_at(self, message_id: str, due_at: int) -> None:
        raise AssertionError("nothing was due")


class NobodyRuns:
    """Must not be asked to run anything."""

    def run(self, message: DueMessage) -> None:
        raise AssertionError("nothing was due")


class ToldOfFailures:
    """Everything around ``on_failure``, in a stage that tells its owner by ``channels``."""

    def __init__(self, local: Stage, *channels: str, **notifiers: Notifier) -> None:
        self.stage = local._replace(alarm_channels=channels)
        self.log = InMemoryAlarms()
        self.messages = InMemoryMessages()
        self.notifiers = notifiers

    def at(self, now: int) -> FakeContainer:
        return FakeContainer(
            self.stage,
            messages=self.messages,
            notifiers=self.notifiers,
            alarm_log=self.log,
            due_messages=NothingDue(),
            destined=NobodyRuns(),
            now=now,
        )


@pytest.fixture
def event(root: Path) -> dict[str, Any]:
    """A failure as Lambda puts it on the bus."""
    found: dict[str, Any] = json.loads((root / "tests/contract/samples/failure.json").read_text(encoding="utf-8"))
    one = message("id-1", message="MARKER")
    sns = {
        "MessageId": "sns-1",
        "Message": one.serialize(),
        "MessageAttributes": {"kind": {"Type": "String", "Value": "contact"}},
    }
    found["detail"]["requestPayload"] = {"Records": [{"Sns": sns}]}
    return found


def test_the_first_failure_is_told_at_once_and_those_after_it_together(
    client: Client, local: Stage, event: dict[str, Any]
) -> None:
    owner = RecordingNotifier()
    world = ToldOfFailures(local, "email", email=owner)
    for seconds in range(4):
        with override_container(world.at(NOW + seconds)):
            client.lambda_.invoke("on_failure", event)
    (told,) = owner.delivered
    assert told.message.splitlines() == [
        "A message is not delivered: RetriesExhausted.",
        "It is stored. Channels that still wait are tried again.",
        "Message id-1",
    ]
    with override_container(world.at(NOW + QUIET)):
        client.lambda_.invoke("on_failure", event)
    assert len(owner.delivered) == 2
    assert "3 more since the last alarm." in owner.delivered[1].message
    assert not any("MARKER" in told.message + told.title for told in owner.delivered)


def test_what_was_rejected_is_logged_and_rings_nobody(
    client: Client, local: Stage, event: dict[str, Any], log: Any
) -> None:
    result = {"source": "herald.notification", "action": "rejected", "message": {"id": "sns-1"}}
    event["detail"] |= {"requestContext": {"condition": "Success"}, "responsePayload": result}
    owner = RecordingNotifier()
    world = ToldOfFailures(local, "email", email=owner)
    with override_container(world.at(NOW)):
        client.lambda_.invoke("on_failure", event)
    line = log.line("Notification rejected")
    assert (line["level"], line["message_id"]) == ("WARNING", "sns-1")
    assert owner.delivered == []
    assert world.log.unreported(NOW + QUIET, QUIET) == 0


def test_what_nobody_has_told_the_scheduled_retry_tells(client: Client, local: Stage, event: dict[str, Any]) -> None:
    owner = RecordingNotifier()
    world = ToldOfFailures(local, "email", email=owner)
    with override_container(world.at(NOW)):
        for _ in range(3):
            client.lambda_.invoke("on_failure", event)
    for now in (NOW + QUIET - 1, NOW + QUIET, NOW + QUIET + 1):
        with override_container(world.at(now)):
            retry_due(client)
    assert [told.message for told in owner.delivered[1:]] == [
        "2 more failures since the last alarm. Channels that still wait are tried again."
    ]


def test_the_alarm_goes_by_a_channel_that_did_not_fail_itself(
    client: Client, local: Stage, event: dict[str, Any]
) -> None:
    phone, mail = RecordingNotifier(), RecordingNotifier()
    world = ToldOfFailures(local, "pushover", "email", pushover=phone, email=mail)
    world.messages.add(message("id-1"), Record("request-1", {"pushover": Delivery(State.WAITING, 3)}))
    with override_container(world.at(NOW)):
        client.lambda_.invoke("on_failure", event)
    assert (len(phone.delivered), len(mail.delivered)) == (0, 1)


def test_an_alarm_that_nobody_took_is_an_error_and_lambdas_retry_tells_it(
    client: Client, local: Stage, event: dict[str, Any]
) -> None:
    world = ToldOfFailures(local, "email", email=RefusingNotifier(ChannelUnavailableError("down")))
    with override_container(world.at(NOW)), pytest.raises(ChannelUnavailableError):
        client.lambda_.invoke("on_failure", event)
    owner = RecordingNotifier()
    world.notifiers = {"email": owner}
    with override_container(world.at(NOW + 60)):
        client.lambda_.invoke("on_failure", event)
    assert len(owner.delivered) == 1
    assert "more since" not in owner.delivered[0].message


def test_a_table_that_can_not_be_read_forgets_no_failure(client: Client, local: Stage, event: dict[str, Any]) -> None:
    owner = RecordingNotifier()
    world = ToldOfFailures(local, "email", email=owner)
    world.log.waiting = 7

    class Unreadable(InMemoryMessages):
        def find_record(self, message_id: str) -> NoReturn:
            raise StoreError("Throttled")

    readable, world.messages = world.messages, Unreadable()
    with override_container(world.at(NOW)), pytest.raises(StoreError):
        client.lambda_.invoke("on_failure", event)
    world.messages = readable
    with override_container(world.at(NOW + 60)):
        client.lambda_.invoke("on_failure", event)
    (told,) = owner.delivered
    assert "7 more since the last alarm." in told.message


def test_a_stage_without_alarm_channels_asks_for_nothing(client: Client, local: Stage, event: dict[str, Any]) -> None:
    """A composition without table and notifiers would fail if it were asked for one."""
    with override_container(FakeContainer(local)):
        client.lambda_.invoke("on_failure", event)


def retry_due(client: Client) -> None:
    event = {
        "version": "0",
        "id": "1",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-01-01T00:00:00Z",
        "region": "eu-central-1",
        "resources": [],
        "detail": {},
    }
    client.lambda_.invoke("retry_due", event)


# The item


@pytest.fixture
def item() -> AlarmItem:
    return AlarmItem(LocalTable(TABLE), TABLE)  # type: ignore[arg-type]


def test_a_failure_after_a_quiet_time_is_told_with_those_within_it(item: AlarmItem) -> None:
    assert [item.failed(NOW + at, QUIET) for at in (0, 0, QUIET - 1, QUIET, QUIET + 1)] == [1, 0, 0, 3, 0]
    assert item.failed(NOW + 2 * QUIET, QUIET) == 2


def test_what_is_untold_is_told_once_after_the_quiet_time(item: AlarmItem) -> None:
    assert item.unreported(NOW, QUIET) == 0, "where nothing has ever failed"
    item.failed(NOW, QUIET)
    assert item.unreported(NOW + QUIET, QUIET) == 0, "where nothing is untold"
    item.failed(NOW + 1, QUIET)
    item.failed(NOW + 2, QUIET)
    assert [item.unreported(NOW + at, QUIET) for at in (QUIET - 1, QUIET, QUIET, 3 * QUIET)] == [0, 2, 0, 0]


def test_what_could_not_be_told_is_put_back(item: AlarmItem) -> None:
    item.failed(NOW, QUIET)
    item.put_back(3, NOW - QUIET)
    item.failed(NOW - 1, QUIET)
    assert item.unreported(NOW, QUIET) == 4


@pytest.mark.parametrize("call", ["failed", "unreported"])
def test_a_table_that_refuses_is_a_store_error(stubbed: Stubbed, call: str) -> None:
    dynamodb, stub = stubbed("dynamodb")
    stub.add_client_error("update_item", "AccessDeniedException")
    with pytest.raises(StoreError, match="AccessDeniedException"):
        getattr(AlarmItem(dynamodb, TABLE), call)(NOW, QUIET)
