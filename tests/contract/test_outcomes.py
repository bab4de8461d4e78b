"""From what ``destined`` returns or raises, through Lambda's record, to the rules and the functions behind them.

Lambda's records are the samples of its documentation (``samples/``), with ``destined``'s own request and answer in
them: the request is what was published, the answer is what the real ``destined`` gave.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

os.environ["HERALD_STAGE"] = "local"

from botocore.stub import Stubber

import app as herald
from chalicelib.adapters.topic import SnsTopic
from chalicelib.composition import override_container
from chalicelib.current_stage import stage_named
from chalicelib.errors import (
    ChannelRejectedError,
    ChannelUnavailableError,
    ChannelUncertainError,
    DeliveryIncompleteError,
)
from chalicelib.logic.delivery_types import Notifier
from chalicelib.settings import Stage
from tests.contract.eventbridge import matches
from tests.fakes import (
    FUNCTION_ARN,
    Context,
    FakeContainer,
    InMemoryMessages,
    RecordingNotifier,
    RefusingNotifier,
    message,
)

SAMPLES = Path(__file__).parent / "samples"
MESSAGE = message(name="MARKER-name", message="MARKER-message")


def sample(name: str) -> Any:
    found = json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    found.pop("_source")
    return found


def stage(*, retry_uncertain: bool = True) -> Stage:
    local = stage_named("local")
    return local._replace(channels={"pushover": local.channels["pushover"]._replace(retry_uncertain=retry_uncertain)})


@pytest.fixture(scope="session")
def rules(root: Path) -> dict[str, Any]:
    """Target (a function, or the queue of failed events) → event pattern, as they are deployed."""
    found = {}
    for it in yaml.safe_load((root / "infra/wiring-local.yaml").read_text())["Resources"].values():
        if it["Type"] == "AWS::Events::Rule":
            found[it["Properties"]["Targets"][0]["Id"]] = it["Properties"]["EventPattern"]
    return found


def told(rules: dict[str, Any], event: dict[str, Any]) -> list[str]:
    """Which functions EventBridge runs; ``queue`` is the one that keeps failed events."""
    return sorted(target for target, pattern in rules.items() if matches(pattern, event))


def sns_event(text: str, kind: str) -> dict[str, Any]:
    """What Lambda is given for a publication of ours, attributes included."""
    event: dict[str, Any] = sample("sns-event")
    sns = event["Records"][0]["Sns"]
    sns["Message"] = text
    attributes = {"kind": kind, "site": "default"}
    sns["MessageAttributes"] = {name: {"Type": "String", "Value": value} for name, value in attributes.items()}
    sns["Subject"] = None
    return event


def succeeded(request: dict[str, Any], answer: object) -> dict[str, Any]:
    event: dict[str, Any] = sample("success")
    event["detail"] |= {"requestPayload": request, "responsePayload": answer}
    return json.loads(json.dumps(event))  # type: ignore[no-any-return]


def failed(request: dict[str, Any], error: Exception | None, condition: str = "RetriesExhausted") -> dict[str, Any]:
    event: dict[str, Any] = sample("failure")
    event["detail"]["requestContext"]["condition"] = condition
    event["detail"]["requestPayload"] = request
    if error is None:
        # Given up by age before any run: there is neither an answer nor its context.
        del event["detail"]["responseContext"], event["detail"]["responsePayload"]
    else:
        event["detail"]["responsePayload"] = {
            "errorMessage": str(error),
            "errorType": type(error).__name__,
            "stackTrace": ['  File "/var/task/app.py", line 1, in destined\n'],
        }
    return event


def run(
    module: ModuleType, event: dict[str, Any], notifier: Notifier, *, retry_uncertain: bool = True, runs: int = 1
) -> Any:
    it = stage(retry_uncertain=retry_uncertain)
    composition = FakeContainer(it, messages=InMemoryMessages(), notifiers={"pushover": notifier})
    with override_container(composition):
        for number in range(runs):
            answer = module.destined(copy.deepcopy(event), Context(f"request-{number}"))
    return answer


CONTACT = sns_event(MESSAGE.serialize(), "contact")
EVENT = sns_event("hello world", "event")


@pytest.mark.parametrize(
    ("request_", "notifier", "options", "action", "function"),
    [
        (CONTACT, RecordingNotifier(), {}, "delivered", "on_success"),
        (CONTACT, RecordingNotifier(), {"runs": 2}, "unchanged", "on_success"),
        (EVENT, RecordingNotifier(), {}, "message", "on_success"),
        (CONTACT, RefusingNotifier(ChannelRejectedError("no")), {}, "undeliverable", "on_failure"),
        (CONTACT, RefusingNotifier(ChannelUncertainError("?")), {"retry_uncertain": False}, "uncertain", "on_failure"),
    ],
)
def test_each_answer_of_destined_reaches_exactly_one_function(
    rules: dict[str, Any],
    log: Any,
    request_: dict[str, Any],
    notifier: Notifier,
    options: dict[str, Any],
    action: str,
    function: str,
) -> None:
    answer = run(herald, request_, notifier, **options)
    assert answer["action"] == action
    event = succeeded(request_, answer)
    assert told(rules, event) == [function]
    getattr(herald, function)(event, Context())
    line = log.lines[-1]
    assert (line["action"], line["condition"], line["source"]) == (action, "Success", answer["source"])
    assert "MARKER" not in json.dumps(line)


@pytest.mark.parametrize("condition", ["RetriesExhausted", "EventAgeExceeded"])
@pytest.mark.parametrize(("request_", "kind"), [(CONTACT, "contact"), (EVENT, "event")])
@pytest.mark.parametrize("with_answer", [True, False])
def test_each_failure_reaches_on_failure_and_the_queue_that_keeps_it_alone(
    rules: dict[str, Any], log: Any, condition: str, request_: dict[str, Any], kind: str, with_answer: bool
) -> None:
    error = DeliveryIncompleteError("still to deliver: pushover waiting") if with_answer else None
    event = failed(request_, error, condition)
    assert told(rules, event) == ["on_failure", "queue"]
    herald.on_failure(event, Context())
    (line,) = log.lines
    assert (line["condition"], line["kind"], line["level"]) == (condition, kind, "ERROR")
    assert line.get("error_type", "") == ("DeliveryIncompleteError" if with_answer else "")
    assert ("request" in line) == (kind == "event")
    if kind == "contact":
        assert line["message_id"] == MESSAGE.id
        assert "MARKER" not in json.dumps(line)
    else:
        assert line["request"] == request_, "enough to send it again"


def test_what_destined_raises_is_what_the_failure_tells() -> None:
    with pytest.raises(DeliveryIncompleteError) as caught:
        run(herald, CONTACT, RefusingNotifier(ChannelUnavailableError("down")))
    assert "MARKER" not in json.dumps(failed(CONTACT, caught.value)["detail"]["responsePayload"])


@pytest.mark.parametrize("record", ["success", "failure"])
def test_the_documented_sample_itself_reaches_the_right_functions_and_is_logged(
    rules: dict[str, Any], log: Any, record: str
) -> None:
    """The sample of a success has a text for an answer, which has no action: nobody of ours is told of it."""
    event = sample(record)
    assert told(rules, event) == ([] if record == "success" else ["on_failure", "queue"])
    (herald.on_success if record == "success" else herald.on_failure)(event, Context())
    assert len(log.lines) == 1


@pytest.mark.parametrize("source", ["aws.lambda", "herald", "custom"])
@pytest.mark.parametrize(
    "event",
    [
        succeeded(CONTACT, {"source": "herald.contact", "action": "undeliverable"}),
        failed(CONTACT, DeliveryIncompleteError("still to deliver: pushover waiting")),
    ],
    ids=["answer", "failure"],
)
def test_an_event_from_elsewhere_on_the_bus_reaches_nobody(
    rules: dict[str, Any], source: str, event: dict[str, Any]
) -> None:
    assert told(rules, event | {"source": source}) == []


def test_the_queue_keeps_the_whole_event_so_that_it_can_be_sent_again_even_of_a_condition_that_is_not_known_yet(
    root: Path, rules: dict[str, Any]
) -> None:
    assert matches(rules["queue"], failed(CONTACT, None, "some that is not known yet"))
    wiring = yaml.safe_load((root / "infra/wiring-local.yaml").read_text())["Resources"]
    (target,) = wiring["FailedEventsRule"]["Properties"]["Targets"]
    assert target["Arn"] == {"Ref": "FailedEventsArn"}
    assert set(target) == {"Id", "Arn", "DeadLetterConfig"}, "no transformation: the letter is the event"


@pytest.mark.parametrize("action", ["undeliverable", "uncertain", "delivered", "duplicate", "message"])
def test_the_queue_keeps_nothing_that_destined_has_answered(rules: dict[str, Any], action: str) -> None:
    assert not matches(rules["queue"], succeeded(CONTACT, {"source": "herald.contact", "action": action}))


def test_every_action_that_destined_can_answer_is_heard_by_somebody(rules: dict[str, Any]) -> None:
    from chalicelib.logic.delivery_types import Action

    for action in (*map(str, Action), "message"):
        # What the scheduled retry will try again has not come to an end.
        heard = 0 if action == Action.WAITING else 1
        assert len(told(rules, succeeded(CONTACT, {"source": "s", "action": action}))) == heard, action


# What an owner may match although no answer of destined exists


def published_attributes(aws: Callable[[str], Any]) -> dict[str, Any]:
    """What ``SnsTopic`` sends, as SNS hands it to Lambda: https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html"""
    sns = aws("sns")
    sent: dict[str, Any] = {}
    sns.meta.events.register("before-parameter-build.sns.Publish", lambda params, **_: sent.update(params))
    with Stubber(sns) as stub:
        stub.add_response("publish", {"MessageId": "m"})
        SnsTopic(sns, "t").publish(MESSAGE.serialize(), site="default", kind="contact", function_arn=FUNCTION_ARN)
    return {
        name: {"Type": attribute["DataType"], "Value": attribute["StringValue"]}
        for name, attribute in sent["MessageAttributes"].items()
    }


def attribute_pattern(name: str, value: str) -> dict[str, Any]:
    return {
        "source": ["lambda"],
        "detail": {
            "requestContext": {"condition": ["RetriesExhausted"]},
            "requestPayload": {"Records": {"Sns": {"MessageAttributes": {name: {"Value": [value]}}}}},
        },
    }


@pytest.mark.parametrize(
    ("name", "value", "hit"),
    [("site", "default", True), ("kind", "contact", True), ("site", "blog", False), ("kind", "event", False)],
)
def test_a_failure_can_be_matched_by_the_site_and_kind_that_were_published(
    aws: Callable[[str], Any], name: str, value: str, hit: bool
) -> None:
    request = sns_event(MESSAGE.serialize(), "contact")
    request["Records"][0]["Sns"]["MessageAttributes"] = published_attributes(aws)
    assert matches(attribute_pattern(name, value), failed(request, DeliveryIncompleteError("x"))) is hit


def test_the_whole_record_of_the_largest_message_fits_an_event_of_the_bus() -> None:
    """256 KB an entry: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html"""
    for character in ('"', "\\", "я", "🚀", "\n"):
        large = message(source=character * 200, name="n" * 200, message=character * 10_240)
        request = sns_event(large.serialize(), "contact")
        event = failed(request, DeliveryIncompleteError("still to deliver: pushover waiting"))
        assert len(json.dumps(event, ensure_ascii=False).encode()) < 256_000


# The request at the front


def test_a_request_of_the_gateways_documented_shape_is_answered() -> None:
    """GET /my/path is no route of ours; what matters is that the shape is read."""
    answer = herald.app(sample("api-gateway-proxy-request"), Context())
    assert answer["statusCode"] >= 400
    assert set(answer) >= {"statusCode", "headers", "body"}
