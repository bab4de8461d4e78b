"""What the release before has stored, on MiniStack's DynamoDB: this code shows it as that did, and goes on with it.

``make rehearse`` does the same with the whole release on the local stack, forth and back.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

from chalicelib.adapters.message_table import MessageTable
from chalicelib.adapters.stored_messages import MessageArchive
from chalicelib.composition import override_container
from tests import last_release
from tests.dynamodb import LocalTable
from tests.fakes import Clock, FakeContainer, RecordingNotifier, channel, site, stage
from tests.functional.test_destined import sns_event

CHANNELS = {"pushover": channel(), "patient": channel("patient", retry_uncertain=False), "flooded": channel("flooded")}
STAGE = stage("local")._replace(
    channels=CHANNELS,
    sites={name: site(name, found) for name, found in [("default", "pushover"), *((each, each) for each in CHANNELS)]},
)
DAY = 24 * 3600


class Stored:
    """The table, some seconds after the release before has left it."""

    def __init__(self) -> None:
        found = last_release.read()
        self.client = cast("Any", LocalTable(STAGE.table))
        for item in found["items"]:
            self.client.put_item(TableName=STAGE.table, Item=item)
        self.shown: dict[str, dict[str, Any]] = found["shown"]
        self.clock = Clock(found["at"])
        self.messages = MessageTable(self.client, STAGE, self.clock)

    def show(self, name: str) -> dict[str, Any]:
        message = MessageArchive(self.client, STAGE, self.clock).get(self.shown[name]["id"])
        assert message, f"what is {name} is unknown"
        shown: dict[str, Any] = json.loads(json.dumps(message.as_json()))
        return shown


@pytest.fixture
def there() -> Stored:
    return Stored()


def test_a_message_that_the_release_before_stored_is_shown_as_it_was_there(there: Stored) -> None:
    assert {each["state"] for each in there.shown.values()} >= {
        "delivered", "duplicate", "quarantined", "stored", "summarized", "uncertain", "undeliverable", "waiting"
    }  # fmt: skip
    for name, before in there.shown.items():
        now = there.show(name)
        assert now.keys() >= {"id", "state", "channels", "fields"}
        assert last_release.common(now, before) == last_release.common(before, now)


def test_what_the_release_before_left_waiting_rings_once_and_what_it_counted_is_told(
    there: Stored, module: ModuleType, root: Path, context: Any
) -> None:
    notifiers = {name: RecordingNotifier() for name in CHANNELS}
    there.clock.now += DAY // 2
    container = FakeContainer(
        STAGE, messages=there.messages, notifiers=notifiers, dynamodb=there.client, now=there.clock.now
    )
    with override_container(container):
        for message in there.messages.find_due(there.clock.now, 100) * 2:
            module.destined(sns_event(root, message.id, "retry"), context)
    sent = [notification for notifier in notifiers.values() for notification in notifier.delivered]
    (summary,) = [each for each in sent if each.id.startswith("summary-")]
    assert there.shown["summarized"]["fields"]["message"] in summary.message
    waiting = [shown["id"] for shown in there.shown.values() if shown["state"] in ("stored", "waiting")]
    assert Counter(each.id for each in sent if each is not summary) == dict.fromkeys(waiting, 1)
