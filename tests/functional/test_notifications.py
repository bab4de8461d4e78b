"""Notifications that programs publish to the topic, from SNS's event to the table and back to their sender."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from chalicelib.adapters.message_table import DAY, PUBLICATION_DAYS, MessageTable, publication_key
from chalicelib.adapters.replays import ReplayTable
from chalicelib.adapters.stored_messages import MessageArchive
from chalicelib.adapters.summaries import SummaryTable
from chalicelib.composition import override_container
from chalicelib.errors import ChannelUnavailableError, DeliveryIncompleteError
from chalicelib.logic.message_pages import Selection
from chalicelib.logic.notification import Notification
from chalicelib.logic.published_notification import MAX_MESSAGE
from chalicelib.logic.ring_budget import BUDGET_SHARES
from chalicelib.logic.summary import message_line
from chalicelib.settings import Channel, Notifications, Stage
from ops.operations.listing import OperatorArchive, every
from tests.contracts import fits
from tests.declared import declared_channel
from tests.dynamodb import LocalTable
from tests.fakes import NOW, FakeContainer, RecordingNotifier, RecoveringNotifier, SpentRings, message, site

DEFAULT = ("pushover", "team")
STAGE = Stage(
    "dev",
    {"default": site("default", "pushover"), "shop": site("shop", "mail")},
    {
        "pushover": declared_channel("pushover"),
        "mail": Channel("mail", "email", retry_uncertain=True, pause=5, url=""),
        "team": declared_channel("ntfy")._replace(name="team"),
        "unused": Channel("unused", "webhook", retry_uncertain=True, pause=5, url=""),
    },
    limits=None,  # type: ignore[arg-type]
    notifications=Notifications(DEFAULT),
)
PUBLICATION = "95df01b4-ee98-5cb9-9903-4c221d41eb5e"
AT = "2026-11-20T07:00:00.123Z"
SECOND = 1795158000
WHOLE = {"kind": "notification", "version": 1, "title": "Backup", "message": "It has failed."}


class World:
    """``destined`` with the real table, and a clock at the time of publishing."""

    def __init__(self, module: ModuleType, context: Any, root: Path, notifier: RecordingNotifier) -> None:
        self.module, self.context, self.notifier = module, context, notifier
        self.invocation = ""
        """The request id of the next runs; empty for one of each publication."""
        self.sample = json.loads((root / "tests/contract/samples/sns-event.json").read_text())
        self.table = LocalTable(STAGE.table)
        self.messages: Any = MessageTable(self.table, STAGE, lambda: SECOND)  # type: ignore[arg-type]
        notifiers = dict.fromkeys(STAGE.message_channels, notifier)
        self.container = FakeContainer(STAGE, messages=self.messages, notifiers=notifiers, now=SECOND)

    def publish(self, body: object, publication: str = PUBLICATION, **attributes: str) -> dict[str, Any]:
        text = body if isinstance(body, str) else json.dumps(body)
        self.sample["Records"][0]["Sns"] |= {
            "Message": text,
            "MessageId": publication,
            "Timestamp": AT,
            "MessageAttributes": {name: {"Type": "String", "Value": value} for name, value in attributes.items()},
        }
        self.context.aws_request_id = self.invocation or f"request-of-{publication}"
        with override_container(self.container):
            answer: dict[str, Any] = self.module.destined(self.sample, self.context)
        return answer

    def look_up(self, publication: str = PUBLICATION) -> dict[str, Any] | None:
        found = MessageArchive(self.table, STAGE, lambda: SECOND).get(publication)  # type: ignore[arg-type]
        if found is not None:
            fits("get_message", "answer", found.as_json())
        return found.as_json() if found else None

    @property
    def rung(self) -> list[Notification]:
        return self.notifier.delivered


@pytest.fixture
def make(module: ModuleType, context: Any, root: Path) -> Callable[..., World]:
    return lambda notifier=None: World(module, context, root, notifier or RecordingNotifier())


@pytest.fixture
def world(make: Callable[..., World]) -> World:
    return make()


@pytest.mark.parametrize("attributes", [{}, {"kind": "notification", "site": "notifications"}, {"kind": "other"}])
def test_a_notification_is_stored_and_delivered_whatever_attributes_it_has(
    world: World, attributes: dict[str, str]
) -> None:
    answer = world.publish(WHOLE, **attributes)
    fits("notification", "answer", answer)
    assert answer == {
        "source": "herald.notification",
        "action": "delivered",
        "message": {"id": PUBLICATION, "site": "notifications", "channels": dict.fromkeys(DEFAULT, "delivered")},
    }
    for rung in world.rung:
        assert (rung.title, rung.message, rung.timestamp) == ("Backup", "It has failed.", SECOND)
        assert (rung.options, rung.fields, rung.body) == ({}, (), "")
        assert rung.full_text_at == f"./herald messages show --stage dev {PUBLICATION}"
    stored = world.look_up()
    assert stored is not None
    assert (stored["state"], stored["received_at"]) == ("delivered", SECOND)
    assert stored["fields"] == {"title": "Backup", "message": "It has failed."}
    assert stored["expires_at"] == SECOND + 365 * DAY


def test_priority_and_link_are_said_in_the_terms_of_each_provider(world: World) -> None:
    link = "https://www.example.com/backups?of=today"
    world.publish(WHOLE | {"priority": "emergency", "link": link, "channels": ["pushover", "mail", "team"]})
    by_channel = {rung.options.get("priority"): rung for rung in world.rung}
    assert set(by_channel) == {2, 5, None}
    assert by_channel[2].options == {"priority": 2, "link": link}
    assert by_channel[2].message == "It has failed."
    assert by_channel[5].options == {"priority": 5, "link": link}
    assert by_channel[None].options == {}
    assert by_channel[None].message == f"It has failed.\n\n{link}"


def test_a_hundred_publications_with_one_key_ring_once_and_each_is_found(world: World) -> None:
    answers = [world.publish(WHOLE | {"key": "k", "channels": ["mail"]}, f"sns-{number}") for number in range(100)]
    assert [answer["action"] for answer in answers] == ["delivered", *["unchanged"] * 99]
    assert len(world.rung) == 1
    (message_id,) = {answer["message"]["id"] for answer in answers}
    for number in range(100):
        assert (world.look_up(f"sns-{number}") or {})["id"] == message_id
    (kept,) = {item["expires_at"]["N"] for key, item in world.table.items().items() if key.startswith("publication#")}
    assert kept == str(SECOND + PUBLICATION_DAYS * DAY)


def test_without_a_key_the_same_content_rings_each_time_and_an_event_that_comes_again_does_not(world: World) -> None:
    only = WHOLE | {"channels": ["mail"]}
    actions = [world.publish(only, publication)["action"] for publication in ("sns-1", "sns-2", "sns-2")]
    assert actions == ["delivered"] * 3
    assert len(world.rung) == 2


@pytest.mark.parametrize("size", [10, MAX_MESSAGE])
def test_a_key_that_was_used_for_other_content_is_rejected_and_the_first_stays(world: World, size: int) -> None:
    first = WHOLE | {"key": "k", "message": "x" * size}
    world.publish(first, "sns-1")
    others: list[dict[str, object]] = [{"message": "y" * size}, {"priority": "high"}, {"channels": ["mail"]}]
    for number, other in enumerate(others):
        answer = world.publish(first | other, f"other-{number}")
        assert (answer["action"], answer["message"]["rejected"]["key"]) == ("rejected", "key")
        assert "another content" in answer["message"]["rejected"]["reason"]
        assert (world.look_up(f"other-{number}") or {})["state"] == "rejected"
    assert (world.look_up("sns-1") or {})["fields"]["message"] == "x" * size
    assert world.publish(first, "sns-1")["action"] == "delivered", "a redelivery, by the request id of the first"
    assert len(world.rung) == 2, "two channels, once each"


@pytest.mark.parametrize("dies_at", ["publication#", "fields#", ""])
def test_a_run_that_died_at_any_write_is_made_good_by_the_next(world: World, dies_at: str) -> None:
    """After the link, after the fields, after the record."""
    body = WHOLE | {"key": "k", "channels": ["mail"]}
    written: list[str] = []

    def die(operation: str, request: dict[str, Any]) -> None:
        if written and written[-1].startswith(dies_at or "1"):
            raise KeyboardInterrupt
        written.append(request.get("Item", {}).get("id", {}).get("S", "") if operation == "PutItem" else "")
        if not dies_at and operation == "UpdateItem":
            raise KeyboardInterrupt

    world.table.before_call = die
    with pytest.raises(KeyboardInterrupt):
        world.publish(body)
    world.table.before_call = lambda operation, request: None
    assert world.publish(body)["action"] == "delivered"
    assert len(world.rung) == 1


def test_what_still_waits_fails_the_run_so_that_lambda_repeats_it(make: Callable[..., World]) -> None:
    world = make(RecoveringNotifier(ChannelUnavailableError("down", retry_after=0)))
    with pytest.raises(DeliveryIncompleteError):
        world.publish(WHOLE | {"channels": ["mail"]})
    assert (world.look_up() or {})["state"] == "waiting"


def test_beyond_the_budget_of_rings_a_summary_counts_it_with_its_title(world: World) -> None:
    table: Any = world.table
    summaries = SummaryTable(table, STAGE.table)

    spent = SpentRings()
    world.container.__dict__.update({"ring_budget": spent, "summaries": summaries})
    answer = world.publish(WHOLE | {"channels": ["mail"]})
    assert (answer["action"], answer["message"]["channels"]) == ("summarized", {"mail": "summarized"})
    assert spent.asked == [("mail", len(BUDGET_SHARES) - 1)], "a program that may publish counts as a person does"
    batch = summaries.take_batch("mail", "run-1", SECOND + 600, SECOND + 660)
    assert batch is not None
    assert (batch.count, batch.newest) == (1, PUBLICATION)
    assert message_line(world.messages.find_fields(PUBLICATION)) == "Backup: It has failed."


BAD: list[tuple[object, str, str]] = [
    ("hello MARKER", "message", 'expected a JSON object with "kind": "notification", found other text'),
    ("", "message", "expected a JSON object"),
    ('"MARKER"', "kind", 'kind: expected "notification"'),
    ([WHOLE], "kind", 'kind: expected "notification"'),
    ({"version": 1, "id": "i", "site": "s", "received_at": "MARKER", "fields": {"message": "MARKER"}}, "kind", "kind"),
    ({key: value for key, value in WHOLE.items() if key != "version"}, "version", "version: expected 1"),
    (WHOLE | {"version": "1"}, "version", "version: expected 1"),
    ({key: value for key, value in WHOLE.items() if key != "title"}, "title", "expected a text that is not empty"),
    (WHOLE | {"title": " \n"}, "title", "expected a text that is not empty"),
    (WHOLE | {"title": ["MARKER"]}, "title", "expected a text that is not empty"),
    (WHOLE | {"message": 7}, "message", "expected a text that is not empty"),
    (WHOLE | {"priority": "MARKER"}, "priority", "expected one of: low, normal, high, emergency"),
    (WHOLE | {"priority": 2}, "priority", "expected a text"),
    (WHOLE | {"link": "javascript:MARKER"}, "link", "expected an address such as https://"),
    (WHOLE | {"link": "https://www.example.com/\nName: MARKER"}, "link", "expected an address"),
    (WHOLE | {"channels": ["pushover", "MARKER"]}, "channels", "expected a list of one or more of"),
    (WHOLE | {"channels": ["unused"]}, "channels", "expected a list of one or more of: pushover, mail, team"),
    (WHOLE | {"channels": [["pushover"]]}, "channels", "expected a list of one or more of"),
    (WHOLE | {"key": ""}, "key", "expected a text that is not empty"),
    (WHOLE | {"text": "MARKER"}, "text", "text: unknown; expected version, kind, title, message and, optionally"),
]


@pytest.mark.parametrize(("body", "key", "reason"), BAD)
def test_what_is_no_notification_is_rejected_at_once_and_its_sender_can_look_up_why(
    world: World, log: Any, body: object, key: str, reason: str
) -> None:
    answer = world.publish(body)
    fits("notification", "error", answer)
    assert (answer["action"], answer["message"]["id"]) == ("rejected", PUBLICATION)
    assert answer["message"]["rejected"]["key"] == key
    assert reason in answer["message"]["rejected"]["reason"]
    stored = world.look_up()
    assert stored is not None
    assert (stored["state"], stored["held"]) == ("rejected", "rejected")
    assert stored["rejected"] == answer["message"]["rejected"]
    assert (stored["fields"], stored["channels"], stored["due_at"]) == ({}, {}, None)
    assert stored["expires_at"] == SECOND + PUBLICATION_DAYS * DAY
    assert world.rung == []
    assert log.line("Handled")["rejected"] == answer["message"]["rejected"]
    assert "MARKER" not in log.text + json.dumps(answer) + json.dumps(world.table.items())
    assert world.publish(body)["action"] == "rejected", "the same event again"
    world.invocation = "another"
    assert world.publish(body)["action"] == "unchanged", "a redelivery"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("hello MARKER", "contact"),
        ('{"version": 1, "id": "i", "site": "s", "received_at": "MARKER", "fields": {}}', "contact"),
        ('{"version": 1, "id": "", "site": "s", "received_at": 1, "fields": {}}', "contact"),
        ('{"version": 1, "id": "' + "x" * 3000 + '", "site": "s", "received_at": 1, "fields": {}}', "contact"),
        ('{"version": 1, "id": "i", "site": "s", "received_at": 1e999, "fields": {}}', "contact"),
        ('{"version": 1, "id": "i", "site": "s", "received_at": 1790000000000, "fields": {}}', "contact"),
        ('{"version": 1, "id": "i", "site": "notifications", "received_at": 1, "fields": {"message": "x"}}', "contact"),
        ("MARKER", "canary"),
    ],
)
def test_what_says_that_it_is_heralds_own_and_is_not_is_rejected(world: World, text: str, kind: str) -> None:
    answer = world.publish(text, kind=kind)
    assert (answer["action"], answer["message"]["rejected"]["key"]) == ("rejected", "message")
    assert "MARKER" not in json.dumps(answer) + json.dumps(world.table.items())
    assert world.rung == []


def test_half_a_character_costs_nobody_the_notification(world: World) -> None:
    """A program that cuts a text by UTF-16 units leaves half an emoji, which JSON can hold (RFC 8259, 8.2)."""
    half = json.dumps(WHOLE | {"title": "Backup \ud83d", "key": "\ud83d", "channels": ["mail"]})
    assert world.publish(half)["action"] == "delivered"
    assert [rung.title for rung in world.rung] == ["Backup ?"]
    form = message(message="Half").serialize().replace("Half", "Half \\ud83d")
    assert world.publish(form, kind="contact")["action"] == "delivered"
    assert world.rung[-1].message == "Half ?"


def test_a_key_of_its_sender_in_a_reason_is_cut_and_one_line(world: World) -> None:
    reason = world.publish(WHOLE | {"x\nHerald: " + "y" * 5000: 1})["message"]["rejected"]
    assert len(reason["key"]) <= 128
    assert len(reason["reason"]) <= 500
    assert "\n" not in reason["key"] + reason["reason"]


def test_rejected_ones_are_listed_as_such_beside_the_others(world: World) -> None:
    world.publish(WHOLE, "sns-1")
    world.publish("hello", "sns-2")
    archive = OperatorArchive(world.table, STAGE, lambda: SECOND)  # type: ignore[arg-type]
    listed = {message.id: str(message.state) for message in every(archive, STAGE.site_names, Selection())}
    assert listed == {"sns-1": "delivered", "sns-2": "rejected"}


def test_a_run_that_a_person_asks_for_delivers_a_notification_as_the_first_did(world: World) -> None:
    world.publish(WHOLE | {"priority": "high", "channels": ["pushover"]})
    table: Any = world.table
    record = ReplayTable(table, STAGE).find_record(PUBLICATION)
    assert record is not None
    delivered = record.deliveries["pushover"]
    world.messages.replace_delivery(PUBLICATION, "pushover", delivered, type(delivered)(), NOW)
    answer = world.publish(PUBLICATION, "sns-2", kind="retry", site="notifications")
    assert (answer["source"], answer["action"]) == ("herald.notification", "delivered")
    assert [rung.options for rung in world.rung] == [{"priority": 1}] * 2


def test_a_link_to_a_message_that_is_gone_leads_nowhere(world: World) -> None:
    world.messages.remember_publication("sns-1", "gone")
    assert publication_key("sns-1") in world.table.items()
    assert world.look_up("sns-1") is None
