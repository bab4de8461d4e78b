"""``digest``: its handler, and the items of the table by which a site is told once."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.adapters.last_digest import RETENTION, DigestItems
from chalicelib.composition import override_container
from chalicelib.handlers import digest as handler
from chalicelib.settings import Digest
from tests.dynamodb import LocalTable
from tests.fakes import NOW, FakeContainer, RecordingNotifier, stage
from tests.unit.test_digest import SEVEN, SOME, InMemoryLog

TABLE = stage().table


@pytest.fixture
def there() -> LocalTable:
    return LocalTable(TABLE)


def test_a_run_tells_of_forms_and_of_notifications_and_logs_to_whom_and_not_what(log: Any) -> None:
    notifier = RecordingNotifier()
    it = FakeContainer(
        stage()._replace(digest=Digest(7)), archive=SOME, notifiers={"pushover": notifier}, now=SEVEN + 60
    )
    it.__dict__["digest_log"] = InMemoryLog()
    with override_container(it):
        handler.prepare("digest")
        handler.handle()
    assert [sent.title for sent in notifier.delivered] == ["Herald: default", "Herald: notifications"]
    lines = [line for line in log.lines if line["message"] == "Digest sent"]
    assert [(line["site"], line["channel"]) for line in lines] == [
        ("default", "pushover"),
        ("notifications", "pushover"),
    ]
    assert "Delivered" not in log.text


def test_a_stage_without_digests_tells_nothing() -> None:
    with override_container(FakeContainer(stage())):
        handler.handle()


def test_of_two_runs_one_claims_and_its_lost_answer_is_none(there: Any) -> None:
    one, other = DigestItems(there, TABLE, lambda: "run-1"), DigestItems(there, TABLE, lambda: "run-2")
    assert one.reported_until("default") is None
    assert one.claim("default", None, NOW)
    assert one.claim("default", None, NOW), "the repetition of a write whose answer was lost"
    assert not other.claim("default", None, NOW)
    assert other.reported_until("default") == NOW
    assert not other.claim("default", NOW - 1, SEVEN)
    assert other.claim("default", NOW, SEVEN)
    (item,) = there.items().values()
    assert item["expires_at"] == {"N": str(SEVEN + RETENTION)}
    assert not {"site", "due"} & set(item), "no index has it"


@pytest.mark.parametrize("before", [None, NOW])
def test_what_was_claimed_is_put_back_unless_somebody_went_on(there: Any, before: int | None) -> None:
    items = DigestItems(there, TABLE)
    if before:
        items.claim("default", None, before)
    items.claim("default", before, SEVEN)
    items.put_back("default", SEVEN - 1, before)
    assert items.reported_until("default") == SEVEN
    asked: list[Any] = []
    there.before_call = lambda _, request: asked.append(request.get("ConsistentRead"))
    items.put_back("default", SEVEN, before)
    assert items.reported_until("default") == before
    assert asked[-1] is True
