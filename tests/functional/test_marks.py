"""What a person decides about a message: marks and erasure, on MiniStack's DynamoDB in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.adapters.dynamodb_items import from_item
from chalicelib.adapters.file_examinations import ExaminationTable
from chalicelib.adapters.marks_and_erasure import MarkTable
from chalicelib.adapters.message_table import DAY, MessageTable, fields_key
from chalicelib.adapters.recent_activity import RecentTable
from chalicelib.adapters.replays import ReplayTable
from chalicelib.adapters.stored_messages import MessageArchive
from chalicelib.errors import ChannelUnavailableError, DeliveryIncompleteError
from chalicelib.logic import replay
from chalicelib.logic.delivery import deliver, deliver_again
from chalicelib.logic.delivery_types import Action, Delivery, Invocation, Record, State
from chalicelib.logic.duplicates import content_hash
from chalicelib.logic.message_files import MAX_FILES, DeclaredFile, FileFacts, FileMark, facts_key
from chalicelib.logic.notification import Notification
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.recorded_timeline import StepKind, recorded
from chalicelib.logic.replay import ReplayResult, SkipReason
from chalicelib.logic.spam import NOTHING_FOUND
from chalicelib.logic.stored_messages import ListedMessage, Marked, OwnerMark, StoredMessage, Wanted
from tests.dynamodb import LocalTable
from tests.fakes import NOW, channel, message, site, stage, without_budget

STAGE = stage()
DELIVERED = Delivery(State.DELIVERED, 1)
WAITING = Delivery(State.WAITING, 1, next_attempt_at=NOW + 60)


@pytest.fixture
def table() -> Any:
    table: Any = LocalTable(STAGE.table)
    MessageTable(table, STAGE, lambda: NOW).add(message("id-1"), Record("run-1", {"pushover": DELIVERED}))
    return table


def archive(table: Any) -> MessageArchive:
    return MessageArchive(table, STAGE, lambda: NOW)


def stored(table: Any, message_id: str = "id-1") -> StoredMessage:
    found = archive(table).get(message_id)
    assert found is not None
    return found


def listed(table: Any) -> ListedMessage:
    """The message as a list shows it, from the index, which is the same as the message itself says."""
    (of_list,) = archive(table).page(Wanted("default")).messages
    assert stored(table).listed.answered_at == of_list.answered_at
    return of_list


def mark(table: Any, mark: OwnerMark, message_id: str = "id-1", by: str = "") -> bool:
    return MarkTable(table, STAGE.table).mark(message_id, Marked(mark, NOW + 60, by))


def release(table: Any, message_id: str = "id-1") -> ReplayResult:
    channels = {"pushover": channel(), "email": channel("email")}
    return replay.apply_replay(message_id, True, channels, ReplayTable(table, STAGE), NOW + 90, "phone")


def test_an_answer_is_shown_with_its_time_and_can_be_taken_away(table: Any) -> None:
    assert listed(table).as_json()["answered_at"] is None
    assert mark(table, OwnerMark.ANSWERED)
    assert listed(table).as_json()["answered_at"] == NOW + 60
    assert mark(table, OwnerMark.NOT_ANSWERED)
    assert listed(table).as_json()["answered_at"] is None


@pytest.mark.parametrize("other", ["gone", fields_key("id-1")])
@pytest.mark.parametrize("which", list(OwnerMark))
def test_what_is_no_message_is_not_marked(table: Any, other: str, which: OwnerMark) -> None:
    before = table.items()
    assert not mark(table, which, other)
    assert table.items() == before


def test_what_is_spam_is_held_and_due_no_more_until_its_release_tries_what_was_left(table: Any) -> None:
    MessageTable(table, STAGE, lambda: NOW).add(
        message("id-2"), Record("run-2", {"pushover": DELIVERED, "email": WAITING}, due_at=NOW + 60)
    )
    assert mark(table, OwnerMark.SPAM, "id-2", "phone")
    found = stored(table, "id-2")
    assert (found.listed.state, found.due_at) == (MessageState.QUARANTINED, 0)
    assert MessageTable(table, STAGE).find_due(NOW + 999, 9) == []
    assert not mark(table, OwnerMark.SPAM, "id-2"), "it is held already"
    assert release(table, "id-2") == ReplayResult(("email",), {"pushover": SkipReason.DELIVERED})
    assert stored(table, "id-2").listed.verdict.hold_reason is None
    assert [due.id for due in MessageTable(table, STAGE).find_due(NOW + 9999, 9)] == ["id-2"]


def test_what_every_channel_delivered_is_let_go_and_rings_nobody(table: Any) -> None:
    assert mark(table, OwnerMark.SPAM)
    assert listed(table).state is MessageState.QUARANTINED
    assert release(table) == ReplayResult((), {"pushover": SkipReason.DELIVERED})
    assert (listed(table).state, stored(table).due_at) == (MessageState.DELIVERED, 0)


def test_the_record_says_whose_inbox_marked_it_and_that_it_was_not_held_when_it_came(table: Any) -> None:
    mark(table, OwnerMark.SPAM, by="phone")
    release(table)
    mark(table, OwnerMark.ANSWERED)
    found = stored(table)
    assert [each.as_json() for each in found.marks] == [
        {"mark": "spam", "at": NOW + 60, "by": "phone"},
        {"mark": "not_spam", "at": NOW + 90, "by": "phone"},
        {"mark": "answered", "at": NOW + 60, "by": None},
    ]
    steps = list(recorded(found))
    assert [step.details for step in steps if step.kind is StepKind.STORED] == [{}]
    assert [step.details for step in steps if step.kind is StepKind.MARKED] == [
        {"mark": "spam", "by": "phone's inbox"},
        {"mark": "not_spam", "by": "phone's inbox"},
        {"mark": "answered"},
    ]


def test_an_erased_message_leaves_nothing_and_no_other_message_loses_anything(table: Any) -> None:
    other = message("id-2")
    MessageTable(table, STAGE, lambda: NOW).add(other, Record("run-2", {"pushover": DELIVERED}))
    hashed = f"content#{content_hash('default', message('id-1').fields, [])}"
    RecentTable(table, STAGE.table).claim_first(hashed, "id-1", NOW, 600)
    assert hashed in table.items()
    MarkTable(table, STAGE.table).erase(stored(table))
    assert table.items().keys() == {"id-2", fields_key("id-2")}


def test_what_an_event_that_came_late_wrote_while_its_message_was_erased_is_erased_too(table: Any) -> None:
    late = [Record("run-1", {"pushover": DELIVERED})]

    def once_the_fields_are_gone(operation: str, request: dict[str, Any]) -> None:
        """Lambda's retry writes the fields first, and finds the record."""
        if (operation, request.get("Key")) == ("DeleteItem", {"id": {"S": "id-1"}}) and late:
            MessageTable(table, STAGE, lambda: NOW).add(message("id-1"), late.pop())

    table.before_call = once_the_fields_are_gone
    MarkTable(table, STAGE.table).erase(stored(table))
    assert (late, table.items()) == ([], {})


def with_files(table: Any) -> StoredMessage:
    """A stored message with as many files as a site may take."""
    files = tuple(DeclaredFile(f"{number}.jpg", "image/jpeg", 9, "") for number in range(MAX_FILES))
    new = replace(message("id-2"), files=files)
    MessageTable(table, STAGE, lambda: NOW).add(new, Record("run-2", {"pushover": DELIVERED}))
    return stored(table, "id-2")


def examine(table: Any, message_id: str, *numbers: int) -> None:
    facts = FileFacts("image", "image/jpeg", exif={"latitude": "48.1", "longitude": "11.5"})
    for number in numbers:
        ExaminationTable(table, STAGE.table).record(facts_key(message_id), f"file{number}", facts, NOW + 999 * DAY)


def erased_facts(message_id: str) -> dict[str, object]:
    """All that an erasure leaves of what was known of a message's files."""
    return {"id": facts_key(message_id), "gone": 1, "expires_at": NOW + DAY}


@pytest.mark.parametrize("step", range(6))
def test_what_examine_finds_out_while_its_message_is_erased_does_not_stay(table: Any, step: int) -> None:
    before, erased = table.items().keys(), with_files(table)
    examine(table, "id-2", *range(1, MAX_FILES + 1))
    calls = iter(range(99))

    def amid(operation: str, request: dict[str, Any]) -> None:
        if next(calls) == step:
            examine(table, "id-2", 1, MAX_FILES)

    table.before_call = amid
    MarkTable(table, STAGE.table, lambda: NOW).erase(erased)
    examine(table, "id-2", 2)
    assert table.items().keys() == before | {facts_key("id-2")}
    assert from_item(table.item(facts_key("id-2"))) == erased_facts("id-2")


def test_the_files_of_a_message_that_is_stored_again_are_unexamined_to_who_looks(table: Any) -> None:
    MarkTable(table, STAGE.table).erase(with_files(table))
    again = with_files(table)
    assert [file.facts for file in again.files] == [FileFacts(mark=FileMark.UNEXAMINED)] * MAX_FILES


@pytest.mark.parametrize("left", [(), (fields_key,), (facts_key,), (fields_key, facts_key)])
def test_what_a_killed_run_left_without_a_record_is_erased_by_its_id(
    table: Any, left: tuple[Callable[[str], str], ...]
) -> None:
    before = table.items().keys()
    if fields_key in left:
        table.put_item(TableName=STAGE.table, Item={"id": {"S": fields_key("killed")}})
    if facts_key in left:
        examine(table, "killed", MAX_FILES)
    marks = MarkTable(table, STAGE.table, lambda: NOW)
    assert [marks.erase_fields("killed") for _ in range(2)] == [bool(left), False]
    assert table.items().keys() == before | {facts_key("killed")}
    assert from_item(table.item(facts_key("killed"))) == erased_facts("killed")


def test_an_attempt_in_progress_is_recorded_and_none_follows(table: Any) -> None:
    class Busy:
        """Is told of spam while it calls a provider that can't be reached."""

        calls = 0

        def notify(self, notification: Notification) -> str:
            self.calls += 1
            assert mark(table, OwnerMark.SPAM, "id-2")
            raise ChannelUnavailableError("out of reach")

    busy, store = Busy(), MessageTable(table, STAGE, lambda: NOW)
    recent = RecentTable(table, STAGE.table)
    channels = {"pushover": channel()}
    dependencies = without_budget(site(), channels, {"pushover": busy}, store, recent, lambda: NOW)
    runs = [Invocation(f"run-{number}", f"run-{number}", NOW + 100) for number in range(2)]
    with pytest.raises(DeliveryIncompleteError):
        deliver(message("id-2"), NOTHING_FOUND, dependencies, runs[0])
    assert stored(table, "id-2").listed.channels["pushover"].state is State.WAITING
    assert [due.id for due in store.find_due(NOW + 9999, 9)] == ["id-2"], "its end makes it due once more"
    found = store.find("id-2")
    assert found is not None
    assert deliver_again(*found, dependencies, runs[1]).action is Action.QUARANTINED
    assert (store.find_due(NOW + 9999, 9), busy.calls) == ([], 1)
