"""What the owner is told of failures, by which channel, and how often."""

from __future__ import annotations

import pytest

from chalicelib.errors import (
    AlarmError,
    ChannelRejectedError,
    ChannelUnavailableError,
    ChannelUncertainError,
    StoreError,
)
from chalicelib.functions import FUNCTIONS
from chalicelib.logic import failure_alarm
from chalicelib.logic.delivery_types import Delivery, Record, State
from chalicelib.logic.failure_alarm import BEFORE_LAMBDAS_RETRY, QUIET, Turn
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
WHAT = failure_alarm.from_count(Turn("run", 2), NOW)
TURN = Turn("run", 0)
DOWN = ChannelUnavailableError("down")


def test_an_alarm_names_the_message_the_states_and_what_becomes_of_it() -> None:
    told = failure_alarm.from_failure(FAILURE, RECORD, TURN, NOW)
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
    assert failure_alarm.from_failure(refused, None, Turn("run", 4), NOW).message.splitlines() == [
        "A message is not delivered: undeliverable.",
        "Message id-1",
        "4 more since the last alarm.",
    ]
    unknown = failure_alarm.Failure("i" * 200, "contact", "", "undeliverable")
    told = failure_alarm.from_failure(unknown, None, Turn("run", 1, "e" * 200), NOW)
    assert told.message.splitlines()[1:] == [f"Message {unknown.id}", "1 more since the last alarm."]
    assert told.id == "alarm-1-" + "e" * 120, "an id has at most 128 characters"


def test_an_alarm_reports_of_an_outcome_what_is_no_visitors() -> None:
    error = {"errorType": "CanaryError", "errorMessage": "a: " + "x" * 600}
    outcome = RunOutcome("id-1", KIND_CANARY, "", "", "RetriesExhausted", "CanaryError", 3, error, None, 37)
    told = failure_alarm.Failure("id-1", KIND_CANARY, "RetriesExhausted", "CanaryError", "a: " + "x" * 497, 37)
    assert failure_alarm.Failure.of(outcome) == told
    for other in (outcome._replace(kind="contact"), outcome._replace(error={}), outcome._replace(error=None)):
        assert failure_alarm.Failure.of(other).words == ""


def test_what_was_counted_is_told_at_its_own_time() -> None:
    message = "2 more failures since the last alarm. Channels that still wait are tried again."
    assert failure_alarm.from_count(Turn("run", 2), NOW) == Notification(
        "alarm-run", "Herald: not delivered", message, NOW
    )


@pytest.mark.parametrize("words", ["", "email: SES could not be asked"])
def test_an_alarm_for_a_canary_has_the_notifiers_words_if_there_are_any(words: str) -> None:
    failure = failure_alarm.Failure("id-1", KIND_CANARY, "Success", "CanaryError", words)
    said = ["The canary did not get through: CanaryError.", *filter(None, [words])]
    assert failure_alarm.from_failure(failure, None, TURN, NOW).message == "\n".join(said)


@pytest.mark.parametrize(("count", "what"), [(37, "37 messages"), (None, "messages")])
def test_an_alarm_for_a_summary_says_of_how_many_messages_and_goes_by_another_channel(
    count: int | None, what: str
) -> None:
    failure = failure_alarm.Failure("summary#pushover", "retry", "Success", "undeliverable", messages=count)
    assert failure_alarm.from_failure(failure, None, TURN, NOW).message.splitlines() == [
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
    sent = failure_alarm.send(WHAT, ["a", "b"], {"a": one, "b": other}, InMemoryAlarms(), TURN, NOW)
    assert sent == ("a", True)
    assert (len(one.delivered), other.delivered) == (1, [])


@pytest.mark.parametrize("error", [DOWN, ChannelRejectedError("no"), ChannelUncertainError("?")])
def test_where_one_fails_the_next_is_tried_and_a_quiet_time_begins(error: Exception) -> None:
    other, log = RecordingNotifier(), InMemoryAlarms()
    log.waiting = 3
    turn = log.unreported(NOW)
    assert turn is not None
    sent = failure_alarm.send(WHAT, ["a", "b"], {"a": RefusingNotifier(error), "b": other}, log, turn, NOW)
    assert (sent.channel, other.delivered) == ("b", [WHAT])
    assert (log.waiting, log.quiet_until) == (0, NOW + QUIET)


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ([None], 45),
        ([5], 45),
        ([3600], 3600),
        ([30, 86400], 45),
        ([86400, 60], 60),
        ([3600, None], 45),
    ],
)
def test_where_all_fail_nothing_is_forgotten_and_the_providers_are_left_alone_until_one_may_work(
    said: list[int | None], wait: int
) -> None:
    log = InMemoryAlarms()
    log.waiting = 3
    turn = log.unreported(NOW)
    assert turn is not None
    notifiers = {f"{i}": RefusingNotifier(ChannelUnavailableError("d", retry_after=x)) for i, x in enumerate(said)}
    with pytest.raises(ChannelUnavailableError):
        failure_alarm.send(WHAT, [*notifiers], notifiers, log, turn, NOW)
    assert (log.waiting, log.quiet_until) == (3, NOW + wait)
    with pytest.raises(AlarmError):
        log.unreported(NOW + wait - 1)
    turn = log.unreported(NOW + wait)
    assert turn
    assert turn.counted == 3


def test_a_second_attempt_comes_after_the_wait_and_a_turn_is_as_long_as_its_run() -> None:
    assert BEFORE_LAMBDAS_RETRY < 60, "Lambda's first retry comes after a minute"
    timeouts = {spec.timeout for spec in FUNCTIONS if spec.name in ("on_failure", "retry_due")}
    assert timeouts == {failure_alarm.LEASE}


def test_what_may_have_rung_is_not_rung_again_and_again() -> None:
    log = InMemoryAlarms()
    notifiers = {"a": RefusingNotifier(ChannelUncertainError("?")), "b": RefusingNotifier(DOWN)}
    assert failure_alarm.send(WHAT, ["a", "b"], notifiers, log, TURN, NOW).channel == "a"
    assert (log.unheard, log.quiet_until) == (None, NOW + QUIET)


def test_what_the_owner_has_heard_is_no_error_that_lambda_would_retry() -> None:
    class Refusing(InMemoryAlarms):
        def told(self, turn: Turn, quiet_until: int) -> None:
            raise StoreError("Throttled")

    assert failure_alarm.send(WHAT, ["a"], {"a": RecordingNotifier()}, Refusing(), TURN, NOW) == ("a", False)


def test_an_alarm_without_any_channel_is_a_mistake_that_shows() -> None:
    with pytest.raises(ValueError, match=r"^there is no channel to notify the owner by$"):
        failure_alarm.send(WHAT, [], {}, InMemoryAlarms(), TURN, NOW)
