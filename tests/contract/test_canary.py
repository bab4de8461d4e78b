"""From a canary's outcome, through Lambda's record, to the rules of a stage that sends canaries."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.errors import CanaryError, DeliveryIncompleteError
from chalicelib.logic.canary_arrival import Canary
from ops.templates import wiring
from tests.contract.eventbridge import matches
from tests.contract.test_outcomes import CONTACT, EVENT, failed, sns_event, succeeded
from tests.fakes import NOW, stage

REQUEST = sns_event(Canary("canary-1", NOW).serialize(), "canary")
ANSWER = {"source": "herald.canary", "action": "arrived", "message": {"id": "canary-1", "channels": {}}}
UNMARKED = sns_event("whatever was published", "event")
UNMARKED["Records"][0]["Sns"]["MessageAttributes"] = {}


def told(event: dict[str, Any], *, hours: int = 24) -> list[str]:
    """The rules that match, by what they are called in the template."""
    resources = wiring.template(stage()._replace(canary=hours))["Resources"]
    rules = {name: it["Properties"] for name, it in resources.items() if it["Type"] == "AWS::Events::Rule"}
    return sorted(name for name, it in rules.items() if matches(it["EventPattern"], event))


def test_one_that_got_through_is_counted_by_its_own_rule_alone() -> None:
    assert told(succeeded(REQUEST, ANSWER)) == ["CanaryRule"]


@pytest.mark.parametrize("action", ["delivered", "duplicate", "message"])
def test_nothing_else_is_counted(action: str) -> None:
    assert told(succeeded(CONTACT, {"source": "herald.contact", "action": action})) == ["OnSuccessRule"]
    assert told(succeeded(CONTACT, {"source": "herald.contact", "action": "arrived"})) == []


@pytest.mark.parametrize("error", [CanaryError("pushover: down"), None])
def test_one_that_did_not_is_told_and_not_kept_as_there_is_nothing_to_send_again(error: Exception | None) -> None:
    assert told(failed(REQUEST, error)) == ["OnFailureRule"]


@pytest.mark.parametrize("request_", [CONTACT, EVENT, UNMARKED, {}, "no object"], ids=str)
@pytest.mark.parametrize("hours", [0, 24])
def test_whatever_else_was_given_up_is_kept(request_: Any, hours: int) -> None:
    event = failed(request_, DeliveryIncompleteError("still to deliver: pushover waiting"))
    assert told(event, hours=hours) == ["FailedEventsRule", "OnFailureRule"]
