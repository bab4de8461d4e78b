"""Which events of the bus a ``[[rule]]`` hears: its pattern as it is deployed, against what Lambda puts on the bus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from chalicelib.errors import DeliveryIncompleteError
from chalicelib.functions import CANARY_ARRIVED
from chalicelib.logic import canary_arrival, delivery_types, message_kinds
from chalicelib.logic.delivery_types import NOTIFICATION_SOURCE
from chalicelib.logic.retry_due import DueMessage
from chalicelib.settings import SITE_OF_PROGRAMS
from ops.config import rules_subscribers_grants
from ops.config.loader import load
from ops.templates.rules_subscribers_grants import pattern
from ops.templates.wiring import template
from tests.contract.eventbridge import matches
from tests.contract.test_outcomes import MESSAGE, failed, sns_event, succeeded
from tests.unit.test_config import GOOD

RULE = """
[[rule]]
name = "mine"
to = "sqs:inbox"
"""


@pytest.fixture
def heard(tmp_path: Path) -> Any:
    """Whether a rule with these keys hears an event."""

    def look(keys: str, event: dict[str, Any]) -> bool:
        text = GOOD + '[sites.shop]\nthanks = "https://shop.example.com/"\nchannels = ["pushover"]\n' + RULE + keys
        (tmp_path / "herald.toml").write_text(text, encoding="utf-8")
        dev = load(tmp_path)["dev"]
        deployed = template(dev.stage, extensions=dev.extensions)["Resources"]["OwnRuleMine"]["Properties"]
        return matches(deployed["EventPattern"], event)

    return look


def request(site: str = "default", kind: str = "contact", text: str = MESSAGE.serialize()) -> dict[str, Any]:
    found = sns_event(text, kind)
    found["Records"][0]["Sns"]["MessageAttributes"]["site"]["Value"] = site
    return found


def answered(action: str, source: str = "herald.contact", **asked: str) -> dict[str, Any]:
    return succeeded(request(**asked), {"source": source, "action": action, "message": {}})


def gave_up(condition: str = "RetriesExhausted", **asked: str) -> dict[str, Any]:
    return failed(request(**asked), DeliveryIncompleteError("still to deliver"), condition)


def retried(site: str) -> dict[str, Any]:
    """What ``AsynchronousDestined`` runs ``destined`` with: an id, and the attributes beside it."""
    due = DueMessage("11111111-1111-4111-8111-111111111111", site)
    return {"site": due.site, "kind": message_kinds.KIND_RETRY, "text": due.id}


NOTIFIED = {"site": SITE_OF_PROGRAMS, "kind": message_kinds.KIND_NOTIFICATION}
CANARY = {"site": canary_arrival.NO_SITE, "kind": message_kinds.KIND_CANARY, "text": "{}"}


@pytest.mark.parametrize(
    ("keys", "event", "hit"),
    [
        # Nothing named: everything.
        ("", answered("delivered"), True),
        ("", gave_up(), True),
        ("", answered("arrived", "herald.canary", **CANARY), True),
        # Answers
        ('action = "undeliverable"', answered("undeliverable"), True),
        ('action = "undeliverable"', answered("delivered"), False),
        ('action = "undeliverable"', gave_up(), False),
        ('action = ["undeliverable", "uncertain"]', answered("uncertain"), True),
        ('source = "herald.event"', answered("message", "herald.event", kind="event"), True),
        ('source = "herald.event"', answered("delivered"), False),
        ('source = "herald.event"', gave_up(kind="event"), False),
        ('source = "herald.contact"\naction = "delivered"', answered("delivered"), True),
        ('source = "herald.contact"\naction = "delivered"', answered("waiting"), False),
        # Failures
        ('condition = "RetriesExhausted"', gave_up(), True),
        ('condition = "RetriesExhausted"', gave_up("EventAgeExceeded"), False),
        ('condition = ["RetriesExhausted", "EventAgeExceeded"]', gave_up("EventAgeExceeded"), True),
        ('condition = "RetriesExhausted"', answered("undeliverable"), False),
        ('condition = "Success"', answered("undeliverable"), True),
        ('condition = "Success"', gave_up(), False),
        ('condition = ["Success", "RetriesExhausted"]', answered("waiting"), True),
        ('condition = ["Success", "RetriesExhausted"]', gave_up(), True),
        # Both are alternatives.
        ('action = "undeliverable"\ncondition = "RetriesExhausted"', answered("undeliverable"), True),
        ('action = "undeliverable"\ncondition = "RetriesExhausted"', gave_up(), True),
        ('action = "undeliverable"\ncondition = "RetriesExhausted"', answered("delivered"), False),
        ('action = "undeliverable"\ncondition = "RetriesExhausted"', gave_up("EventAgeExceeded"), False),
        ('action = "undeliverable"\ncondition = "Success"', answered("delivered"), False),
        # Sites, of answers and failures alike
        ('site = "shop"', answered("delivered", site="shop"), True),
        ('site = "shop"', answered("delivered"), False),
        ('site = "shop"', gave_up(site="shop"), True),
        ('site = "shop"', gave_up(), False),
        ('site = ["shop", "default"]', gave_up(), True),
        ('site = "shop"\naction = "undeliverable"', answered("undeliverable"), False),
        ('site = "shop"\naction = "undeliverable"\ncondition = "RetriesExhausted"', gave_up(site="shop"), True),
        ('site = "shop"\naction = "undeliverable"\ncondition = "RetriesExhausted"', gave_up(), False),
        # What the scheduled retry has tried again has its site, and is of the kind of what it tries again.
        ('site = "shop"\nkind = "contact"', answered("delivered", **retried("shop")), True),
        ('site = "shop"\nkind = "contact"', gave_up(**retried("shop")), True),
        ('site = "shop"', answered("delivered", **retried("default")), False),
        # Kinds
        ('kind = "contact"', answered("message", "herald.event", kind="event"), False),
        ('kind = "event"', answered("message", "herald.event", kind="event"), True),
        ('kind = "event"', gave_up(**retried("default")), False),
        ('kind = ["contact", "event"]', gave_up(kind="event"), True),
        # Notifications, and what the scheduled retry tries of them again
        ('kind = "notification"', answered("delivered", NOTIFICATION_SOURCE, **NOTIFIED), True),
        ('kind = "notification"', gave_up(**NOTIFIED), True),
        ('kind = "notification"', answered("waiting", NOTIFICATION_SOURCE, **retried("notifications")), True),
        ('kind = "notification"', answered("delivered"), False),
        ('kind = "notification"', gave_up(**retried("default")), False),
        ('kind = "contact"', gave_up(**retried("notifications")), False),
        ('kind = "contact"', gave_up(**retried("")), True),
        ('kind = ["contact", "notification"]', gave_up(**retried("notifications")), True),
        ('kind = ["contact", "notification"]', gave_up(**retried("default")), True),
        ('kind = ["contact", "event"]', gave_up(**retried("notifications")), False),
        ('site = "notifications"\naction = "rejected"', answered("rejected", NOTIFICATION_SOURCE, **NOTIFIED), True),
        ('action = "rejected"', answered("undeliverable"), False),
        # A canary has no site.
        ('kind = "contact"', gave_up(**CANARY), False),
        ('kind = "canary"', gave_up(**CANARY), True),
        ('site = ["default", "shop"]', gave_up(**CANARY), False),
    ],
)
def test_a_rule_hears_what_it_names(heard: Any, keys: str, event: dict[str, Any], hit: bool) -> None:
    assert heard(keys, event) is hit


def test_of_a_failure_that_was_never_run_site_and_kind_are_known_too(heard: Any) -> None:
    event = failed(request(site="shop"), None, "EventAgeExceeded")
    assert heard('site = "shop"\nkind = "contact"\ncondition = "EventAgeExceeded"', event)


@pytest.mark.parametrize("keys", ["", 'action = "delivered"', 'site = "default"'])
def test_what_something_else_puts_on_the_bus_is_not_heard(heard: Any, keys: str) -> None:
    assert not heard(keys, answered("delivered") | {"source": "somebody"})


def test_what_may_be_named_is_what_there_is() -> None:
    sources = {
        delivery_types.SOURCE,
        delivery_types.NOTIFICATION_SOURCE,
        message_kinds.TEST_EVENT_SOURCE,
        canary_arrival.SOURCE,
    }
    assert set(get_args(rules_subscribers_grants.Source)) == sources
    assert set(get_args(rules_subscribers_grants.Action)) == {
        *map(str, delivery_types.Action),
        "message",
        canary_arrival.ARRIVED,
    }
    assert CANARY_ARRIVED["action"] == [canary_arrival.ARRIVED]
    kinds = {name: kind for name, kind in vars(message_kinds).items() if name.startswith("KIND_")}
    assert set(get_args(rules_subscribers_grants.Kind)) == set(kinds.values()) - {message_kinds.KIND_RETRY}


def test_the_longest_pattern_fits_what_eventbridge_takes() -> None:
    """4,096 characters: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html"""
    rule = rules_subscribers_grants.RuleTable.model_validate(
        {
            "to": "sqs:inbox",
            "source": list(get_args(rules_subscribers_grants.Source)),
            "action": list(get_args(rules_subscribers_grants.Action)),
            "condition": list(get_args(rules_subscribers_grants.Condition)),
            "kind": list(get_args(rules_subscribers_grants.Kind)),
            "site": [f"a-site-of-twenty-{number:03}" for number in range(100)],
        }
    )
    assert len(json.dumps(pattern(rule))) < 4096
