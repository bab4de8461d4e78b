"""What a run of ``destined`` does with a message's files: kept, examined, told of, and never in the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import pytest

from chalicelib.errors import ChannelUnavailableError, DeliveryIncompleteError, FilesError
from chalicelib.logic.delivery import deliver, deliver_again
from chalicelib.logic.delivery_types import Action, DeliveryDependencies, Invocation, Notifier, State
from chalicelib.logic.message import Message
from chalicelib.logic.message_files import DeclaredFile, FileFacts, FileMark
from chalicelib.logic.notification_text import lay_out
from chalicelib.logic.spam import NOTHING_FOUND, HoldReason, Verdict
from tests.fakes import (
    NOW,
    Clock,
    InMemoryMessages,
    InMemoryRecent,
    RecordingNotifier,
    RecoveringNotifier,
    channel,
    message,
    site,
    without_budget,
)

PHOTO, PAGE = DeclaredFile("a.jpg", "image/jpeg", 2_100_000, "1" * 64), DeclaredFile("b.png", "image/png", 31, "2" * 64)
WITH_FILES = replace(message(), files=(PHOTO, PAGE))
FOUND = (FileFacts("image", "image/jpeg"), FileFacts("markup", "text/html", FileMark.NOT_WHAT_IT_SAYS))


@dataclass
class RecordingFiles:
    """Keeps files in memory, and finds out what it was told."""

    found: Sequence[FileFacts] = FOUND
    kept: list[str] = field(default_factory=list)
    examined: list[str] = field(default_factory=list)
    down: bool = False
    """Whether the bucket answers with an error."""

    def keep(self, message: Message) -> None:
        if self.down:
            raise FilesError("SlowDown")
        self.kept.append(message.id)

    def examine(self, message: Message) -> Sequence[FileFacts]:
        self.examined.append(message.id)
        return self.found[: len(message.files)]


class Runs:
    """Runs of ``destined`` on one table."""

    def __init__(self, files: RecordingFiles | None, notifier: Notifier | None = None) -> None:
        self.store, self.recent, self.clock = InMemoryMessages(), InMemoryRecent(), Clock()
        self.notifier = notifier or RecordingNotifier()
        self._files = files
        self._requests = 0

    def run(self, message: Message, verdict: Verdict = NOTHING_FOUND) -> Action:
        self._requests += 1
        invocation = Invocation(f"request-{self._requests}", "run", NOW + 60)
        return deliver(message, verdict, self.dependencies, invocation).action

    @property
    def dependencies(self) -> DeliveryDependencies:
        return without_budget(
            site=site(),
            channels={"pushover": channel()},
            notifiers={"pushover": self.notifier},
            store=self.store,
            recent_activity=self.recent,
            now=self.clock,
            file_keeper=lambda: self._files,
        )


def test_files_are_kept_and_examined_before_the_owner_is_told_what_they_are() -> None:
    files, notifier = RecordingFiles(), RecordingNotifier()
    assert Runs(files, notifier).run(WITH_FILES) is Action.DELIVERED
    assert (files.kept, files.examined) == ([WITH_FILES.id], [WITH_FILES.id])
    (notification,) = notifier.delivered
    assert lay_out(notification).endswith(
        "\nFiles: “a.jpg” (image, 2.1 MB), “b.png” (markup, 31 bytes, not what its name says)"
    )


def test_a_scheduled_retry_tells_of_the_files_too_and_of_what_became_of_each_channel() -> None:
    files, notifier = RecordingFiles(), RecoveringNotifier(ChannelUnavailableError("down"))
    runs = Runs(files, notifier)
    with pytest.raises(DeliveryIncompleteError):
        runs.run(WITH_FILES)
    record = runs.store.records[WITH_FILES.id]
    runs.store.put(WITH_FILES.id, "pushover", replace(record.deliveries["pushover"], next_attempt_at=NOW))
    record = runs.store.records[WITH_FILES.id]
    result = deliver_again(WITH_FILES, record, runs.dependencies, Invocation("retry", "run-2", NOW + 60))
    assert (result.action, result.channels) == (Action.DELIVERED, {"pushover": State.DELIVERED})
    assert files.examined == [WITH_FILES.id] * 2
    assert [file.name for file in notifier.delivered[0].files] == ["a.jpg", "b.png"]


def test_a_message_without_files_asks_for_nothing() -> None:
    files, notifier = RecordingFiles(), RecordingNotifier()
    Runs(files, notifier).run(message())
    assert (files.kept, files.examined) == ([], [])
    assert "Files" not in lay_out(notifier.delivered[0])


def test_where_files_cant_be_examined_the_message_is_delivered_and_says_so() -> None:
    notifier = RecordingNotifier()
    assert Runs(RecordingFiles([FileFacts(mark=FileMark.UNEXAMINED)] * 2), notifier).run(WITH_FILES) is Action.DELIVERED
    assert [file.about for file in notifier.delivered[0].files] == ["2.1 MB, not examined", "31 bytes, not examined"]


def test_where_the_stage_takes_no_files_any_more_the_message_is_delivered_all_the_same() -> None:
    notifier = RecordingNotifier()
    assert Runs(None, notifier).run(WITH_FILES) is Action.DELIVERED
    assert len(notifier.delivered[0].files) == 2


def test_where_files_cant_be_kept_lambda_runs_the_message_again_and_nobody_is_told_yet() -> None:
    files, notifier = RecordingFiles(down=True), RecordingNotifier()
    runs = Runs(files, notifier)
    with pytest.raises(FilesError):
        runs.run(WITH_FILES)
    assert notifier.delivered == []
    files.down = False
    assert runs.run(WITH_FILES) is Action.DELIVERED
    assert len(notifier.delivered) == 1


@pytest.mark.parametrize("hours", [71, 72])
def test_a_message_doesnt_wait_for_its_files_longer_than_for_its_channels(hours: int) -> None:
    notifier = RecordingNotifier()
    runs = Runs(RecordingFiles([FileFacts(mark=FileMark.UNEXAMINED)] * 2, down=True), notifier)
    with pytest.raises(FilesError):
        runs.run(WITH_FILES)
    runs.clock.now = NOW + hours * 3600
    again = partial(deliver_again, WITH_FILES, runs.store.records[WITH_FILES.id], runs.dependencies)
    if hours < 72:
        with pytest.raises(FilesError):
            again(Invocation("retry", "run-2", runs.clock.now + 60))
        return
    assert again(Invocation("retry", "run-2", runs.clock.now + 60)).action is Action.DELIVERED
    assert [file.about for file in notifier.delivered[0].files] == ["2.1 MB, not examined", "31 bytes, not examined"]


def test_a_duplicates_files_are_not_kept() -> None:
    files = RecordingFiles()
    runs = Runs(files)
    runs.run(WITH_FILES)
    assert runs.run(replace(WITH_FILES, id="second")) is Action.DUPLICATE
    assert (files.kept, files.examined) == ([WITH_FILES.id], [WITH_FILES.id])


def test_the_same_words_with_another_photo_are_another_message() -> None:
    runs = Runs(RecordingFiles())
    runs.run(WITH_FILES)
    assert runs.run(replace(WITH_FILES, id="second", files=(PAGE,))) is Action.DELIVERED


def test_files_of_a_message_in_quarantine_are_kept_and_examined_once_it_is_let_out() -> None:
    files = RecordingFiles()
    runs = Runs(files)
    assert runs.run(WITH_FILES, Verdict(hold_reason=HoldReason.QUARANTINED)) is Action.QUARANTINED
    assert (files.kept, files.examined) == ([WITH_FILES.id], [])


def test_a_message_that_has_ended_is_not_examined_again() -> None:
    files = RecordingFiles()
    runs = Runs(files)
    runs.run(WITH_FILES)
    assert runs.run(WITH_FILES) is Action.UNCHANGED
    assert files.examined == [WITH_FILES.id]


@pytest.mark.parametrize("name", ["a”, “b.jpg", "x\nName: Ada", "Files: “c”"])
def test_a_name_cannot_pretend_to_be_a_line_or_another_file(name: str) -> None:
    notifier = RecordingNotifier()
    Runs(RecordingFiles(FOUND[:1]), notifier).run(replace(WITH_FILES, files=(replace(PHOTO, name=name),)))
    text = lay_out(notifier.delivered[0])
    assert text.count("“") == text.count("”") == 1
    assert len(text.split("\n")) == 4
