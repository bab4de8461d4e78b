"""The canary: what it does instead of ringing, and what counts as having got through."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from chalicelib.errors import CanaryError, ChannelUnavailableError, StoreError
from chalicelib.functions import CANARY_ARRIVED, FUNCTIONS, functions_of
from chalicelib.logic import canary_arrival, failure_alarm
from chalicelib.logic.canary_arrival import Canary, arrive
from chalicelib.logic.delivery_types import CheckingNotifier
from chalicelib.logic.message import LATEST
from chalicelib.logic.message_kinds import KIND_CANARY
from chalicelib.logic.notification import Notification
from ops.config.loader import _NAME
from tests.fakes import NOW, Clock, RecordingNotifier, RefusingNotifier, stage

CANARY = Canary("canary-1", NOW - 2)


class RecordingLog:
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def record_arrival(self, canary: Canary, at: int) -> None:
        self.told.append((canary, at))

    def record_checks(self, canary: Canary, channels: Mapping[str, str], at: int) -> None:
        self.told.append((canary, dict(channels), at))


class FullLog(RecordingLog):
    """Has no room for anything."""

    def record_arrival(self, canary: Canary, at: int) -> None:
        raise StoreError("ProvisionedThroughputExceededException")


def run(log: canary_arrival.CanaryLog, **notifiers: CheckingNotifier) -> dict[str, object]:
    return arrive(CANARY, tuple(notifiers), notifiers, log, Clock())


def test_it_asks_every_channel_whether_it_could_deliver_and_rings_nobody() -> None:
    one, other, log = RecordingNotifier(), RecordingNotifier(), RecordingLog()
    answer = run(log, pushover=one, email=other)
    assert answer == {
        "source": "herald.canary",
        "action": "arrived",
        "message": {"id": "canary-1", "channels": {"pushover": "checked", "email": "checked"}},
    }
    for notifier in (one, other):
        assert notifier.checked == [
            Notification("canary-1", "Canary", "Nobody is to read this.", CANARY.sent_at, check=True)
        ]
        assert notifier.delivered == []
    assert log.told == [(CANARY, NOW), (CANARY, {"pushover": "", "email": ""}, NOW)]


def test_a_channel_that_could_not_deliver_is_an_error_once_all_were_asked_and_written_down() -> None:
    good, log, down = RecordingNotifier(), RecordingLog(), RefusingNotifier(ChannelUnavailableError("down"))
    bad = RefusingNotifier(ChannelUnavailableError("Pushover would not deliver: user key is invalid"))
    with pytest.raises(CanaryError, match=r"^a: Pushover would not deliver: user key is invalid; c: down$"):
        run(log, a=bad, b=good, c=down)
    assert len(good.checked) == 1
    assert log.told[-1] == (CANARY, {"a": "ChannelUnavailableError", "b": "", "c": "ChannelUnavailableError"}, NOW)


def test_what_can_not_be_written_down_has_not_arrived() -> None:
    notifier = RecordingNotifier()
    with pytest.raises(StoreError):
        run(FullLog(), pushover=notifier)
    assert notifier.checked == []


def test_it_survives_the_topic() -> None:
    assert Canary.deserialize(CANARY.serialize()) == CANARY


@pytest.mark.parametrize("sent_at", [0, LATEST])
def test_a_canary_may_be_of_any_time_of_our_calendar(sent_at: int) -> None:
    assert Canary.deserialize(Canary("a", sent_at).serialize()).sent_at == sent_at


@pytest.mark.parametrize("sent_at", [-1, LATEST + 1])
def test_a_canary_of_a_time_beyond_our_calendar_is_none(sent_at: int) -> None:
    with pytest.raises(ValueError, match=r"^sent_at: expected seconds since the epoch, 0 to \d+$"):
        Canary.deserialize(Canary("a", sent_at).serialize())


@pytest.mark.parametrize(
    "text", ["MARKER", "[]", "{}", '{"id": "MARKER"}', '{"id": "a", "sent_at": "MARKER"}', "[" * 9999]
)
def test_what_is_no_canary_is_an_error_that_quotes_nothing(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not a complete canary$"):
        Canary.deserialize(text)


def test_the_rule_matches_the_answer_and_no_site_can_have_its_name() -> None:
    assert CANARY_ARRIVED == {"source": [canary_arrival.SOURCE], "action": [canary_arrival.ARRIVED]}
    assert not _NAME.fullmatch(canary_arrival.NO_SITE)


def test_the_function_exists_only_where_the_stage_asks_for_it() -> None:
    assert "canary" in {spec.name for spec in FUNCTIONS}
    assert "canary" not in {spec.name for spec in functions_of(stage())}


@pytest.mark.parametrize(
    ("condition", "error", "words", "lines"),
    [
        ("RetriesExhausted", "CanaryError", "pushover: over Pushover's quota", ["pushover: over Pushover's quota"]),
        # Given up before it ran.
        ("EventAgeExceeded", "EventAgeExceeded", "", []),
    ],
)
def test_the_owner_is_told_in_the_notifiers_words(condition: str, error: str, words: str, lines: list[str]) -> None:
    failure = failure_alarm.Failure("canary-1", KIND_CANARY, condition, error, words)
    told = failure_alarm.from_failure(failure, None, failure_alarm.Turn("run", 0), NOW)
    assert told.title == "Herald: canary"
    assert told.message.splitlines() == [f"The canary did not get through: {error}.", *lines]
