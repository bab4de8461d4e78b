"""``destined`` with the events that SNS gives it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from chalice.test import Client

from chalicelib.composition import INVOKE_READ_TIMEOUT, override_container
from chalicelib.errors import ChannelRejectedError, ChannelUnavailableError, DeliveryIncompleteError, EventFailedError
from chalicelib.logic.delivery import CLAIM_SECONDS
from chalicelib.logic.delivery_types import Delivery, State
from chalicelib.logic.notification import Quota
from chalicelib.logs import logger
from chalicelib.settings import Channel, Stage
from tests.fakes import (
    NOW,
    Context,
    FakeContainer,
    ForgetfulSummaries,
    InMemoryMessages,
    RecordingNotifier,
    RecoveringNotifier,
    RefusingNotifier,
    SpentRings,
    UnlimitedRings,
    message,
)

MESSAGE = message(source="MARKER-source", name="MARKER-name", email="MARKER@example.com", message="MARKER-message")


def attributes(kind: str, site: str = "default") -> dict[str, dict[str, str]]:
    return {"kind": {"Type": "String", "Value": kind}, "site": {"Type": "String", "Value": site}}


def sns_event(root: Path, text: str, kind: str | None = "contact", **more: object) -> dict[str, Any]:
    """The sample of AWS's documentation, with a message of ours in it."""
    event: dict[str, Any] = json.loads((root / "tests/contract/samples/sns-event.json").read_text())
    sns = event["Records"][0]["Sns"]
    sns["Message"] = text
    sns["MessageAttributes"] = {} if kind is None else attributes(kind)
    sns.update(more)
    return event


class World:
    """Everything around ``destined``."""

    def __init__(self, local: Stage, root: Path, run: Callable[..., dict[str, Any]]) -> None:
        self.notifier: Any = RecordingNotifier()
        self.messages = InMemoryMessages()
        self.context = Context()
        self.more: dict[str, Any] = {}
        """What else the composition has."""
        self._local, self._root, self._run = local, root, run

    def composition(self) -> FakeContainer:
        composition = FakeContainer(self._local, messages=self.messages, notifiers={"pushover": self.notifier})
        composition.__dict__ |= self.more
        return composition

    def run(self, text: str = MESSAGE.serialize(), kind: str | None = "contact", **more: object) -> dict[str, Any]:
        with override_container(self.composition()):
            return self._run(sns_event(self._root, text, kind, **more), self.context)


@pytest.fixture
def world(local: Stage, root: Path, module: ModuleType) -> World:
    return World(local, root, module.destined)


def test_an_event_of_chalices_test_client_is_delivered(client: Client, module: ModuleType, world: World) -> None:
    event = client.events.generate_sns_event(MESSAGE.serialize(), message_attributes=attributes("contact"))
    with override_container(world.composition()):
        answer = module.destined(event, world.context)
    assert answer == {
        "source": "herald.contact",
        "action": "delivered",
        "message": {"id": MESSAGE.id, "site": "default", "channels": {"pushover": "delivered"}},
    }
    (notification,) = world.notifier.delivered
    assert notification.message == "MARKER-message"
    assert dict(notification.fields) == MESSAGE.fields
    assert notification.full_text_at == f"./herald messages show --stage local {MESSAGE.id}"
    assert notification.timestamp == NOW


@pytest.mark.parametrize(
    ("remaining", "calls"),
    [(0, 0), (CLAIM_SECONDS * 1000 - 1, 0), (CLAIM_SECONDS * 1000, 1), (CLAIM_SECONDS * 1000 + 999, 1), (120_000, 1)],
)
def test_a_run_makes_a_call_exactly_when_lambda_leaves_it_the_time_of_a_claim(
    world: World, remaining: int, calls: int
) -> None:
    world.context.remaining = remaining
    with (
        nullcontext()
        if calls
        else pytest.raises(DeliveryIncompleteError, match=r"^still to deliver: pushover pending$")
    ):
        world.run()
    assert len(world.notifier.delivered) == calls
    if not calls:
        assert world.messages.records[MESSAGE.id].deliveries == {"pushover": Delivery()}
        assert world.messages.journal == []
    world.context.remaining = 120_000
    assert world.run()["action"] == "delivered"
    assert len(world.notifier.delivered) == 1


@pytest.mark.parametrize("more", [{}, {"Subject": None}, {"Subject": "Hi"}])
def test_an_event_of_awss_documented_shape_is_delivered_with_an_answer_that_holds_nothing_of_the_visitors(
    world: World, more: dict[str, Any]
) -> None:
    answer = world.run(**more)
    assert answer["action"] == "delivered"
    assert "MARKER" not in json.dumps(answer)


def test_a_message_without_a_kind_is_taken_for_what_it_is(world: World) -> None:
    assert world.run(kind=None)["action"] == "delivered"


def test_a_test_event_is_answered_under_the_id_that_sns_gave_it_and_rings_nobody(world: World) -> None:
    answer = world.run("hello world", "event")
    assert answer == {"source": "herald.event", "action": "message", "message": "hello world"}
    assert (world.notifier.delivered, world.messages.records) == ([], {})
    assert logger.get_correlation_id() == "95df01b4-ee98-5cb9-9903-4c221d41eb5e"


def test_a_test_event_that_asks_to_fail_fails_and_a_visitor_who_writes_the_same_is_delivered(world: World) -> None:
    with pytest.raises(EventFailedError):
        world.run("please fail", "event")
    assert world.run(message(message="please fail").serialize())["action"] == "delivered"


def test_a_channel_that_is_down_makes_the_run_fail_so_that_lambda_repeats_it(world: World) -> None:
    world.notifier = RefusingNotifier(ChannelUnavailableError("down", retry_after=9))
    with pytest.raises(DeliveryIncompleteError) as caught:
        world.run()
    assert "MARKER" not in str(caught.value), "its text reaches the bus"
    assert world.messages.records[MESSAGE.id].deliveries["pushover"].next_attempt_at == NOW + 9


def test_a_channel_that_refuses_for_good_is_an_answer_and_no_error(world: World) -> None:
    world.notifier = RefusingNotifier(ChannelRejectedError("no"))
    answer = world.run()
    assert (answer["action"], answer["message"]["channels"]) == ("undeliverable", {"pushover": "rejected"})


def test_a_message_of_a_site_that_has_left_is_undeliverable(world: World) -> None:
    assert world.run(message(site="gone").serialize())["action"] == "undeliverable"


def test_the_claim_belongs_to_one_run_alone_and_is_over_before_lambdas_first_retry(world: World) -> None:
    seen: list[Any] = []

    class LookingNotifier:
        quota = None

        def notify(self, notification: object) -> str:
            seen.append(world.messages.records[MESSAGE.id].deliveries["pushover"])
            return "ref"

    world.notifier = LookingNotifier()
    world.run()
    world.messages.records.clear()
    world.run()
    first, second = seen
    assert first.state is State.SENDING
    assert first.claimed_by != second.claimed_by, "Lambda may hand over an event twice, with one request id"
    assert NOW + INVOKE_READ_TIMEOUT < first.claimed_until < NOW + 60


def test_lambdas_retry_and_snss_redelivery_ring_nobody_again(world: World) -> None:
    actions = [world.run()["action"], world.run()["action"]]
    world.context.aws_request_id = "request-2"
    assert [*actions, world.run()["action"]] == ["delivered", "delivered", "unchanged"]
    assert len(world.notifier.delivered) == 1


def test_the_log_has_the_messages_id_and_nothing_that_was_typed(
    world: World, log: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    world.run()
    line = log.line("Handled")
    assert (line["correlation_id"], line["message_id"], line["action"]) == (MESSAGE.id, MESSAGE.id, "delivered")
    assert "MARKER" not in log.text + "".join(capfd.readouterr())


def test_the_log_says_why_a_message_is_told_in_a_summary_and_what_changes_that(world: World, log: Any) -> None:
    world.more = {"ring_budget": SpentRings(), "summaries": ForgetfulSummaries()}
    world.run()
    line = log.line("Handled")
    assert line["action"] == "summarized"
    assert "the next summary counts it" in line["hint"]
    assert "rings in herald.toml: " in line["hint"]


def test_a_channel_is_slowed_down_by_the_quota_that_came_with_a_delivery_and_by_no_older_one(world: World) -> None:
    told: list[Quota] = []

    class Budget(UnlimitedRings):
        def slow_down(self, channel: Channel, quota: Quota, now: int) -> None:
            told.append(quota)

    class TellingNotifier(RecoveringNotifier):
        quota = Quota(1000, 130, NOW + 3600)

    world.notifier = TellingNotifier(ChannelUnavailableError("down"))
    world.more = {"ring_budget": Budget()}
    with pytest.raises(DeliveryIncompleteError):
        world.run()
    assert told == []
    world.run(message("id-2").serialize())
    assert told == [TellingNotifier.quota]
