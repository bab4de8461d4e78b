"""What the owner is told of failures, by which channel, and how often."""

from __future__ import annotations

import pytest

from chalicelib.errors import ChannelRejectedError, ChannelUnavailableError, ChannelUncertainError
from chalicelib.logic import failure_alarm
from chalicelib.logic.delivery_types import Delivery, Record, State
from chalicelib.logic.message_kinds import KIND_CANARY
from chalicelib.logic.notification import Notification
from chalicelib.logic.outcome_event import RunOutcome
from tests.fakes import NOW, InMemoryAlarms, RecordingNotifier, RefusingNotifier

FAILURE = failure_alarm.Failure("id-1", "contact", "RetriesExhausted", "DeliveryIncompleteError")
RECORD = Record(
    "request-1",
    {
        "pushover": Delivery(State.WAITING, 3, error="ChannelUnavailableError"),
        "email": Delivery(State.DELIVERED, 1, reference="ref"),
    },
)
WHAT = failure_alarm.from_count(2, NOW)
DOWN = ChannelUnavailableError("down")


def test_an_alarm_names_the_message_the_states_and_what_becomes_of_it() -> None:
    told = failure_alarm.from_failure(FAILURE, RECORD, 1, NOW)
    assert (told.title, told.timestamp) == ("Herald: not delivered", NOW)
    assert told.message.splitlines() == [
        "A message is not delivered: DeliveryIncompleteError.",
        "email: delivered",
        "pushover: waiting ChannelUnavailableError",
        "It is stored. Channels that still wait are tried again.",
        "Message id-1",
    ]


def test_an_alarm_says_how_many_others_there_were() -> None:
    refused = failure_alarm.Failure("id-1", "contact", "Success", "undeliverable")
    assert failure_alarm.from_failure(refused, None, 5, NOW).message.splitlines() == [
        "A message is not delivered: undeliverable.",
        "Message id-1",
        "4 more since the last alarm.",
    ]
    unknown = failure_alarm.Failure("i" * 200, "contact", "", "undeliverable")
    told = failure_alarm.from_failure(unknown, None, 2, NOW)
    assert told.message.splitlines()[1:] == [f"Message {unknown.id}", "1 more since the last alarm."]
    assert told.id == "alarm-" + "i" * 122, "an id has at most 128 characters"


def test_an_alarm_reports_of_an_outcome_what_is_no_visitors() -> None:
    error = {"errorType": "CanaryError", "errorMessage": "a: " + "x" * 600}
    outcome = RunOutcome("id-1", KIND_CANARY, "", "", "RetriesExhausted", "CanaryError", 3, error, None, 37)
    told = failure_alarm.Failure("id-1", KIND_CANARY, "RetriesExhausted", "CanaryError", "a: " + "x" * 497, 37)
    assert failure_alarm.Failure.of(outcome) == told
    for other in (outcome._replace(kind="contact"), outcome._replace(error={}), outcome._replace(error=None)):
        assert failure_alarm.Failure.of(other).words == ""


def test_what_was_counted_is_told_at_its_own_time() -> None:
    message = "2 more failures since the last alarm. Channels that still wait are tried again."
    assert failure_alarm.from_count(2, NOW) == Notification(f"alarm-{NOW}", "Herald: not delivered", message, NOW)


@pytest.mark.parametrize(("count", "what"), [(37, "37 messages"), (None, "messages")])
def test_an_alarm_for_a_summary_says_of_how_many_and_goes_by_another_channel(count: int | None, what: str) -> None:
    failure = failure_alarm.Failure("summary#pushover", "retry", "Success", "undeliverable", messages=count)
    assert failure_alarm.from_failure(failure, None, 1, NOW).message.splitlines() == [
        f"A summary of {what} is not delivered: undeliverable.",
        "Channel pushover",
        "The messages are stored.",
    ]
    assert failure_alarm.channels_for(("pushover", "email"), failure, None) == ["email", "pushover"]


@pytest.mark.parametrize(
    ("record", "order"),
    [
        (None, ["pushover", "email"]),
        (RECORD, ["email", "pushover"]),
        (Record("r", {"pushover": Delivery(State.REJECTED), "email": Delivery(State.EXPIRED)}), ["pushover", "email"]),
        (Record("r", {}), ["pushover", "email"]),
    ],
)
def test_a_channel_that_failed_itself_comes_last(record: Record | None, order: list[str]) -> None:
    assert failure_alarm.channels_for(("pushover", "email"), FAILURE, record) == order


def test_the_first_channel_that_takes_it_is_the_only_one() -> None:
    one, other = RecordingNotifier(), RecordingNotifier()
    assert failure_alarm.send(WHAT, ["a", "b"], {"a": one, "b": other}, InMemoryAlarms(), 1, NOW, 60) == "a"
    assert (len(one.delivered), other.delivered) == (1, [])


@pytest.mark.parametrize("error", [DOWN, ChannelRejectedError("no"), ChannelUncertainError("?")])
def test_where_one_fails_the_next_is_tried(error: Exception) -> None:
    other, log = RecordingNotifier(), InMemoryAlarms()
    assert failure_alarm.send(WHAT, ["a", "b"], {"a": RefusingNotifier(error), "b": other}, log, 1, NOW, 60) == "b"
    assert (other.delivered, log.waiting) == ([WHAT], 0)


@pytest.mark.parametrize(("said", "wait"), [(None, 60), (5, 60), (3600, 3600)])
def test_where_all_fail_nothing_is_forgotten_and_the_pause_is_the_providers(said: int | None, wait: int) -> None:
    log = InMemoryAlarms()
    assert log.failed(NOW, failure_alarm.QUIET) == 1
    down = RefusingNotifier(ChannelUnavailableError("down", retry_after=said))
    with pytest.raises(ChannelUnavailableError):
        failure_alarm.send(WHAT, ["a"], {"a": down}, log, 3, NOW, 60)
    assert log.unreported(NOW + wait - 1, failure_alarm.QUIET) == 0
    assert log.unreported(NOW + wait, failure_alarm.QUIET) == 3


def test_what_may_have_rung_is_not_rung_again_and_again() -> None:
    log = InMemoryAlarms()
    notifiers = {"a": RefusingNotifier(ChannelUncertainError("?")), "b": RefusingNotifier(DOWN)}
    assert failure_alarm.send(WHAT, ["a", "b"], notifiers, log, 3, NOW, 60) == "a"
    assert log.waiting == 0


def test_an_alarm_without_any_channel_is_a_mistake_that_shows() -> None:
    with pytest.raises(ValueError, match=r"^there is no channel to notify the owner by$"):
        failure_alarm.send(WHAT, [], {}, InMemoryAlarms(), 1, NOW, 60)
