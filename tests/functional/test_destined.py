"""``destined`` with the events that SNS gives it."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from chalice.test import Client

from chalicelib.composition import INVOKE_READ_TIMEOUT, override_container
from chalicelib.errors import ChannelRejectedError, ChannelUnavailableError, DeliveryIncompleteError, EventFailedError
from chalicelib.logic.delivery import CLAIM_SECONDS
from chalicelib.logic.delivery_types import Delivery, Notifier, State
from chalicelib.logic.notification import Quota
from chalicelib.settings import Channel, Stage
from tests.fakes import (
    NOW,
    FakeContainer,
    ForgetfulSummaries,
    InMemoryMessages,
    RecordingNotifier,
    RecoveringNotifier,
    RefusingNotifier,
    SpentRings,
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

    def __init__(self, local: Stage, notifier: Notifier | None = None) -> None:
        self.notifier = notifier or RecordingNotifier()
        self.messages = InMemoryMessages()
        self.composition = FakeContainer(local, messages=self.messages, notifiers={"pushover": self.notifier})


@pytest.fixture
def world(local: Stage) -> World:
    return World(local)


def test_an_event_of_chalices_test_client_is_delivered(
    client: Client, module: ModuleType, world: World, context: Any
) -> None:
    event = client.events.generate_sns_event(MESSAGE.serialize(), message_attributes=attributes("contact"))
    with override_container(world.composition):
        answer = module.destined(event, context)
    assert answer == {
        "source": "herald.contact",
        "action": "delivered",
        "message": {"id": MESSAGE.id, "site": "default", "channels": {"pushover": "delivered"}},
    }
    (notification,) = world.notifier.delivered  # type: ignore[attr-defined]
    assert notification.message == "MARKER-message"
    assert dict(notification.fields) == MESSAGE.fields
    assert notification.full_text_at == f"./herald messages show --stage local {MESSAGE.id}"
    assert notification.timestamp == NOW


def test_a_run_without_the_time_for_a_call_stores_the_message_and_rings_nobody(client: Client, world: World) -> None:
    """Chalice's test client gives each run 3 seconds."""
    event = client.events.generate_sns_event(MESSAGE.serialize(), message_attributes=attributes("contact"))
    with override_container(world.composition), pytest.raises(DeliveryIncompleteError) as caught:
        client.lambda_.invoke("destined", event)
    assert str(caught.value) == "still to deliver: pushover pending"
    assert world.messages.records[MESSAGE.id].deliveries == {"pushover": Delivery()}
    assert world.messages.journal == []
    assert world.notifier.delivered == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("remaining", "calls"),
    [(0, 0), (CLAIM_SECONDS * 1000 - 1, 0), (CLAIM_SECONDS * 1000, 1), (CLAIM_SECONDS * 1000 + 999, 1), (120_000, 1)],
)
def test_a_run_makes_a_call_exactly_when_lambda_leaves_it_the_time_of_a_claim(
    module: ModuleType, world: World, root: Path, context: Any, remaining: int, calls: int
) -> None:
    context.remaining = remaining
    with override_container(world.composition), nullcontext() if calls else pytest.raises(DeliveryIncompleteError):
        module.destined(sns_event(root, MESSAGE.serialize()), context)
    assert len(world.notifier.delivered) == calls  # type: ignore[attr-defined]
    context.remaining = 120_000
    with override_container(world.composition):
        answer = module.destined(sns_event(root, MESSAGE.serialize()), context)
    assert answer["action"] == "delivered"
    assert len(world.notifier.delivered) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("more", [{}, {"Subject": None}, {"Subject": "Hi"}])
def test_an_event_of_awss_documented_shape_is_delivered(
    module: ModuleType, world: World, root: Path, context: Any, more: dict[str, Any]
) -> None:
    with override_container(world.composition):
        answer = module.destined(sns_event(root, MESSAGE.serialize(), **more), context)
    assert answer["action"] == "delivered"
    json.dumps(answer)


def test_a_message_without_a_kind_is_taken_for_what_it_is(
    module: ModuleType, world: World, root: Path, context: Any
) -> None:
    with override_container(world.composition):
        assert module.destined(sns_event(root, MESSAGE.serialize(), kind=None), context)["action"] == "delivered"


def test_a_test_event_is_answered_and_rings_nobody(module: ModuleType, world: World, root: Path, context: Any) -> None:
    with override_container(world.composition):
        answer = module.destined(sns_event(root, "hello world", "event"), context)
    assert answer == {"source": "herald.event", "action": "message", "message": "hello world"}
    assert world.notifier.delivered == []  # type: ignore[attr-defined]
    assert world.messages.records == {}


def test_a_test_event_that_asks_to_fail_fails(module: ModuleType, world: World, root: Path, context: Any) -> None:
    with override_container(world.composition), pytest.raises(EventFailedError):
        module.destined(sns_event(root, "please fail", "event"), context)


def test_a_visitor_who_writes_please_fail_is_delivered(
    module: ModuleType, world: World, root: Path, context: Any
) -> None:
    with override_container(world.composition):
        answer = module.destined(sns_event(root, message(message="please fail").serialize()), context)
    assert answer["action"] == "delivered"


def test_a_channel_that_is_down_makes_the_run_fail_so_that_lambda_repeats_it(
    module: ModuleType, local: Stage, root: Path, context: Any
) -> None:
    world = World(local, RefusingNotifier(ChannelUnavailableError("down", retry_after=9)))
    with override_container(world.composition), pytest.raises(DeliveryIncompleteError) as caught:
        module.destined(sns_event(root, MESSAGE.serialize()), context)
    assert "MARKER" not in str(caught.value), "its text reaches the bus"
    assert world.messages.records[MESSAGE.id].deliveries["pushover"].next_attempt_at == NOW + 9


def test_a_channel_that_refuses_for_good_is_an_answer_and_no_error(
    module: ModuleType, local: Stage, root: Path, context: Any
) -> None:
    world = World(local, RefusingNotifier(ChannelRejectedError("no")))
    with override_container(world.composition):
        answer = module.destined(sns_event(root, MESSAGE.serialize()), context)
    assert (answer["action"], answer["message"]["channels"]) == ("undeliverable", {"pushover": "rejected"})


def test_a_message_of_a_site_that_has_left_is_undeliverable(
    module: ModuleType, world: World, root: Path, context: Any
) -> None:
    with override_container(world.composition):
        answer = module.destined(sns_event(root, message(site="gone").serialize()), context)
    assert answer["action"] == "undeliverable"


def test_the_claim_belongs_to_one_run_alone_and_is_over_before_lambdas_first_retry(
    module: ModuleType, local: Stage, root: Path, context: Any
) -> None:
    seen: list[Any] = []
    here = World(local)

    class LookingNotifier:
        quota = None

        def notify(self, notification: object) -> str:
            seen.append(here.messages.records[MESSAGE.id].deliveries["pushover"])
            return "ref"

    composition = FakeContainer(local, messages=here.messages, notifiers={"pushover": LookingNotifier()})
    with override_container(composition):
        module.destined(sns_event(root, MESSAGE.serialize()), context)
        here.messages.records.clear()
        module.destined(sns_event(root, MESSAGE.serialize()), context)
    first, second = seen
    assert first.state is State.SENDING
    assert first.claimed_by != second.claimed_by, "Lambda may hand over an event twice, with one request id"
    assert NOW + INVOKE_READ_TIMEOUT < first.claimed_until < NOW + 60


def test_lambdas_retry_and_snss_redelivery_ring_nobody_again(
    module: ModuleType, world: World, root: Path, context: Any
) -> None:
    event = sns_event(root, MESSAGE.serialize())
    with override_container(world.composition):
        actions = [module.destined(event, context)["action"]]
        actions.append(module.destined(event, context)["action"])
        context.aws_request_id = "request-2"
        actions.append(module.destined(event, context)["action"])
    assert actions == ["delivered", "delivered", "unchanged"]
    assert len(world.notifier.delivered) == 1  # type: ignore[attr-defined]


def test_the_log_has_the_messages_id_and_nothing_that_was_typed(
    module: ModuleType, world: World, root: Path, context: Any, log: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    with override_container(world.composition):
        module.destined(sns_event(root, MESSAGE.serialize()), context)
    line = log.line("Handled")
    assert (line["correlation_id"], line["message_id"], line["action"]) == (MESSAGE.id, MESSAGE.id, "delivered")
    assert "MARKER" not in log.text + "".join(capfd.readouterr())


def test_the_log_says_why_a_message_is_told_in_a_summary_and_what_changes_that(
    module: ModuleType, world: World, root: Path, context: Any, log: Any
) -> None:
    world.composition.__dict__ |= {"ring_budget": SpentRings(), "summaries": ForgetfulSummaries()}
    with override_container(world.composition):
        module.destined(sns_event(root, MESSAGE.serialize()), context)
    line = log.line("Handled")
    assert line["action"] == "summarized"
    assert "the next summary counts it" in line["hint"]
    assert "rings in herald.toml: " in line["hint"]


def test_a_test_events_correlation_id_is_the_one_that_sns_gave_it(
    module: ModuleType, world: World, root: Path, context: Any, log: Any
) -> None:
    from chalicelib.logs import logger

    with override_container(world.composition):
        module.destined(sns_event(root, "hello world", "event"), context)
    assert logger.get_correlation_id() == "95df01b4-ee98-5cb9-9903-4c221d41eb5e"


def test_the_answer_for_the_bus_holds_nothing_that_a_visitor_wrote(
    module: ModuleType, world: World, root: Path, context: Any
) -> None:
    with override_container(world.composition):
        assert "MARKER" not in json.dumps(module.destined(sns_event(root, MESSAGE.serialize()), context))


def test_a_channel_is_slowed_down_by_the_quota_that_came_with_a_delivery_and_by_no_older_one(
    module: ModuleType, local: Stage, root: Path, context: Any
) -> None:
    told: list[Quota] = []

    class Budget:
        def take(self, *_: object) -> bool:
            return True

        def slow_down(self, channel: Channel, quota: Quota, now: int) -> None:
            told.append(quota)

    class TellingNotifier(RecoveringNotifier):
        quota = Quota(1000, 130, NOW + 3600)

    here = World(local, TellingNotifier(ChannelUnavailableError("down")))
    here.composition.__dict__["ring_budget"] = Budget()
    with override_container(here.composition):
        with pytest.raises(DeliveryIncompleteError):
            module.destined(sns_event(root, MESSAGE.serialize()), context)
        assert told == []
        module.destined(sns_event(root, message("id-2").serialize()), context)
    assert told == [TellingNotifier.quota]
