"""The digest: of which day, what it counts and says, and that it is told at most once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from chalicelib.errors import ChannelRejectedError, ChannelUnavailableError, ChannelUncertainError, StoreError
from chalicelib.functions import FUNCTIONS, functions_of
from chalicelib.handlers import digest as handler
from chalicelib.logic import digest
from chalicelib.logic.delivery_types import CheckingNotifier, Delivery, State
from chalicelib.logic.digest import DAY, HOUR, MAX_QUERIES, MAX_SPAN, SETTLED, DigestDependencies, due
from chalicelib.logic.notification import Notification, Quota
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.spam import NOTHING_FOUND
from chalicelib.logic.stored_messages import ListedMessage, Page, Position, Wanted
from chalicelib.settings import Digest, Site
from ops.config.loader import load
from ops.naming import AwsLocation
from ops.templates.function_policies import policy
from tests.fakes import NOW, InMemoryArchive, RecordingNotifier, RecoveringNotifier, RefusingNotifier, site, stage
from tests.unit.test_config import GOOD, mistakes, write

SEVEN = NOW + 7 * HOUR
"""2026-01-01T07:00:00Z."""
AT_SEVEN = Digest(hour=7)
DOWN = ChannelUnavailableError("down")


class InMemoryLog:
    """Remembers until when each site was told."""

    def __init__(self, **until: int) -> None:
        self.until: dict[str, int | None] = dict(until)

    def reported_until(self, site: str) -> int | None:
        return self.until.get(site)

    def claim(self, site: str, before: int | None, until: int) -> bool:
        if self.until.get(site) != before:
            return False
        self.until[site] = until
        return True

    def put_back(self, site: str, until: int, before: int | None) -> None:
        if self.until.get(site) == until:
            self.until[site] = before


class QuickerLog(InMemoryLog):
    """Another run always is quicker."""

    def claim(self, site: str, before: int | None, until: int) -> bool:
        return False


class BrokenLog(InMemoryLog):
    """Knows nothing of one site."""

    def reported_until(self, site: str) -> int | None:
        if site == "broken":
            raise StoreError("ProvisionedThroughputExceededException")
        return super().reported_until(site)


def listed(state: MessageState, **channels: State) -> ListedMessage:
    deliveries = {name: Delivery(each) for name, each in channels.items()}
    return ListedMessage("id", "default", NOW, state, deliveries, NOTHING_FOUND)


class Messages(InMemoryArchive):
    """Shows these, a few on each page."""

    def __init__(self, *messages: ListedMessage, of_page: int = 50) -> None:
        super().__init__()
        self.pages = [messages[begin : begin + of_page] for begin in range(0, len(messages), of_page)]

    def page(self, wanted: Wanted) -> Page:
        self.asked.append(wanted)
        number = wanted.after.received_at - wanted.since if wanted.after else 0
        more = Position(wanted.since + number + 1, "id") if number + 1 < len(self.pages) else None
        return Page(self.pages[number] if self.pages else (), more)


SOME = Messages(
    *[listed(MessageState.DELIVERED, pushover=State.DELIVERED)] * 3,
    listed(MessageState.UNDELIVERABLE, pushover=State.REJECTED, email=State.DELIVERED),
    listed(MessageState.UNDELIVERABLE, pushover=State.EXPIRED, email=State.REJECTED),
    listed(MessageState.QUARANTINED),
)


def run(
    log: InMemoryLog,
    notifiers: Mapping[str, CheckingNotifier],
    *,
    archive: Messages = SOME,
    sites: tuple[Site, ...] = (site(),),
    settings: Digest = AT_SEVEN,
    now: int = SEVEN + SETTLED + 60,
) -> list[tuple[str, str]]:
    told: list[tuple[str, str]] = []
    means = DigestDependencies(archive, log, notifiers, handler._texts, lambda *it: told.append(it))
    digest.run(sites, settings, now, means)
    return told


# Which day


@pytest.mark.parametrize(
    ("reported_until", "now", "span"),
    [
        (None, SEVEN, (SEVEN - DAY, SEVEN)),
        (None, SEVEN - 1, (SEVEN - 2 * DAY, SEVEN - DAY)),
        (SEVEN - DAY, SEVEN - 1, None),
        (SEVEN - DAY, SEVEN, (SEVEN - DAY, SEVEN)),
        (SEVEN, SEVEN + 5, None),
        (SEVEN, SEVEN + DAY - 1, None),
        (SEVEN - 3 * DAY, SEVEN + 99, (SEVEN - 3 * DAY, SEVEN)),
        (SEVEN - 99 * DAY, SEVEN, (SEVEN - MAX_SPAN, SEVEN)),
        # The hour was changed in herald.toml.
        (SEVEN - HOUR, SEVEN, (SEVEN - HOUR, SEVEN)),
        (SEVEN + HOUR, SEVEN + 2 * HOUR, None),
    ],
)
def test_a_day_is_told_once_it_has_ended_and_what_was_missed_with_it(
    reported_until: int | None, now: int, span: tuple[int, int] | None
) -> None:
    assert due(reported_until, now + SETTLED, 7) == span


@pytest.mark.parametrize("hour", [0, 7, 23])
def test_a_day_ends_at_its_hour(hour: int) -> None:
    for now in range(NOW, NOW + 2 * DAY, 1800):
        span = due(None, now + SETTLED, hour)
        assert span is not None
        begin, end = span
        assert end % DAY == hour * HOUR
        assert end <= now < end + DAY
        assert begin == end - DAY


# What it says


def test_it_says_how_many_and_of_each_state_and_nothing_of_any_message() -> None:
    notifiers = {"pushover": RecordingNotifier(quota=Quota(10_000, 7_496, SEVEN))}
    log = InMemoryLog()
    assert run(log, notifiers) == [("default", "pushover")]
    (told,) = notifiers["pushover"].delivered
    assert (told.title, told.timestamp, told.id) == ("Herald: default", SEVEN, f"digest-default-{SEVEN}")
    assert told.message.splitlines() == [
        "Messages: 6",
        "Delivered: 3",
        "Not delivered: 2",
        "In quarantine: 1",
        "Failed by email: 1",
        "Failed by pushover: 2",
        "Quota left of pushover: 7496 / 10000",
        "Received: 2025-12-31 07:00 – 2026-01-01 07:00 UTC",
    ]
    assert log.until == {"default": SEVEN}


def lines_told(**more: Any) -> list[str]:
    """What the owner reads."""
    notifier = RecordingNotifier()
    run(InMemoryLog(), {"pushover": notifier}, **more)
    return notifier.delivered[0].message.splitlines()


def test_it_speaks_the_sites_language() -> None:
    assert lines_told(sites=(site(language="de"),))[:2] == ["Nachrichten: 6", "Zugestellt: 3"]


def test_every_state_has_its_words() -> None:
    lines = lines_told(archive=Messages(*map(listed, MessageState)))
    assert len([line for line in lines if line.endswith(": 1")]) == len(MessageState)


def test_a_channel_that_could_not_deliver_is_told_by_another() -> None:
    email = RecordingNotifier(quota=Quota(200, 7))
    notifiers: dict[str, CheckingNotifier] = {"pushover": RefusingNotifier(DOWN), "email": email}
    assert run(InMemoryLog(), notifiers, sites=(site("default", "pushover", "email"),)) == [("default", "email")]
    lines = email.delivered[0].message.splitlines()
    assert "Can't deliver now: pushover: ChannelUnavailableError" in lines
    assert "Quota left of email: 7 / 200" in lines


def test_a_channel_of_several_sites_is_asked_once() -> None:
    notifier = RecordingNotifier()
    run(InMemoryLog(), {"pushover": notifier}, sites=(site("a"), site("b")))
    assert len(notifier.delivered) == 2
    assert notifier.checked == [Notification("digest", "Check", "Check")]


def test_the_channels_of_the_table_go_before_the_sites_own() -> None:
    notifiers = {"pushover": RecordingNotifier(), "email": RecordingNotifier()}
    assert run(InMemoryLog(), notifiers, settings=Digest(7, ("email",))) == [("default", "email")]
    assert notifiers["pushover"].delivered == []


# How much it reads


def test_it_counts_page_by_page_the_messages_of_the_day_alone() -> None:
    archive = Messages(*[listed(MessageState.DELIVERED)] * 7, of_page=3)
    assert lines_told(archive=archive)[0] == "Messages: 7"
    wanted = [each for each in archive.asked if isinstance(each, Wanted)]
    assert [(each.site, each.since, each.until) for each in wanted] == [("default", SEVEN - DAY, SEVEN)] * 3


def test_of_too_many_it_counts_the_newest_and_says_so() -> None:
    archive = Messages(*[listed(MessageState.DELIVERED)] * (MAX_QUERIES + 1), of_page=1)
    assert lines_told(archive=archive)[0] == f"Messages: {MAX_QUERIES}+"
    assert len(archive.asked) == MAX_QUERIES


# Once


def test_a_second_run_tells_nothing() -> None:
    log, notifier = InMemoryLog(), RecordingNotifier()
    run(log, {"pushover": notifier})
    assert run(log, {"pushover": notifier}, now=SEVEN + SETTLED + DAY - 1) == []
    assert len(notifier.delivered) == 1


def test_a_site_to_which_nothing_happened_is_told_nothing_and_asked_nothing() -> None:
    log, notifier = InMemoryLog(), RecordingNotifier()
    assert run(log, {"pushover": notifier}, archive=Messages()) == []
    assert (notifier.delivered, notifier.checked) == ([], [])
    assert log.until == {"default": SEVEN}


def test_of_two_runs_at_once_one_tells() -> None:
    notifier = RecordingNotifier()
    assert run(QuickerLog(), {"pushover": notifier}) == []
    assert notifier.delivered == []


@pytest.mark.parametrize("before", [None, SEVEN - 3 * DAY])
@pytest.mark.parametrize("error", [DOWN, ChannelRejectedError("no")])
def test_where_certainly_nobody_was_told_the_next_run_tells_it_all(before: int | None, error: Exception) -> None:
    log = InMemoryLog(**({} if before is None else {"default": before}))
    with pytest.raises(type(error)):
        run(log, {"pushover": RefusingNotifier(error)})
    assert log.reported_until("default") == before
    assert run(log, {"pushover": RecordingNotifier()}) == [("default", "pushover")]


def test_what_may_have_been_told_is_not_told_again() -> None:
    log, other = InMemoryLog(), RecordingNotifier()
    lost = RecoveringNotifier(ChannelUncertainError("?"), ChannelUncertainError("?"))
    run(log, {"pushover": lost, "email": other}, sites=(site("default", "pushover", "email"),))
    assert other.delivered == []
    assert log.until == {"default": SEVEN}


def test_an_error_with_one_site_leaves_the_others_their_turn() -> None:
    log, notifier = BrokenLog(), RecordingNotifier()
    with pytest.raises(StoreError):
        run(log, {"pushover": notifier}, sites=(site("broken"), site("default")))
    assert [each.title for each in notifier.delivered] == ["Herald: default"]


# herald.toml, and what it may


def test_it_is_off_unless_its_table_is_there(tmp_path: Path) -> None:
    assert {it.stage.digest for it in load(write(tmp_path, GOOD)).values()} == {None}
    stages = load(write(tmp_path, GOOD + "\n[digest]\n[stages.local.digest]\nenabled = false\n"))
    assert {name: it.stage.digest for name, it in stages.items()} == {"dev": Digest(7), "local": None}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("hour = 24", "digest.hour: found 24"),
        ("hour = -1", "digest.hour: found -1"),
        ('channels = ["sms"]', "digest.channels: found 'sms', expected one of: pushover"),
        ("at = 7", "digest.at: unknown key"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, table: str, said: str) -> None:
    assert said in mistakes(tmp_path, f"{GOOD}\n[digest]\n{table}\n")


def test_its_channels_count_as_used_and_are_what_it_may_invoke() -> None:
    it = stage()._replace(digest=Digest(7, ("own",)))
    it = it._replace(channels={**it.channels, "own": it.channels["pushover"]._replace(name="own", kind="webhook")})
    assert it.used_channels == it.digest_channels == ("pushover", "own")
    (spec,) = (spec for spec in functions_of(it) if spec.name == "digest")
    document = policy(spec, it, AwsLocation("aws", "eu-central-1", "123456789012"))
    arn = "arn:aws:lambda:eu-central-1:123456789012:function:herald-dev-notify_"
    assert document["Statement"][-1]["Resource"] == [f"{arn}pushover", f"{arn}webhook"]


def test_without_the_table_there_is_no_such_function() -> None:
    assert "digest" in {spec.name for spec in FUNCTIONS}
    assert "digest" not in {spec.name for spec in functions_of(stage())}
