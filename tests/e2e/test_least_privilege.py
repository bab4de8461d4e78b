"""Every statement and every permission is needed: without it the path fails, by the signal that AWS gives.

What is taken away is listed by the manifest and by the deployed functions themselves: a statement or permission for
which no signal stands here fails the first two tests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import pytest

from chalicelib.functions import FUNCTIONS, functions_of
from ops.templates import canary_rule
from tests.declared import HTTP
from tests.e2e.harness import Harness, marker, wait_for, who
from tests.e2e.pocket import Pocket, pocket
from tests.e2e.test_digest import a_day
from tests.e2e.test_files import publish_too_late, send, sent
from tests.images import photo

Signal = Callable[[Harness], object]


def api_answers_503(herald: Harness) -> None:
    assert herald.post_form(message=marker()).status_code == 503
    refused = herald.line("api_handler", message="The topic did not accept the message")
    assert refused["reason"] in ("AuthorizationError", "AuthorizationErrorException")


def fail_on_the_way(herald: Harness, error: str, path: str = "/contact") -> tuple[str, str]:
    """Send a message that destined fails at; returns its word and its id."""
    word = marker()
    message_id = herald.accepted(word, path)
    assert herald.line("on_failure", message_id=message_id)["error_type"] == error
    return word, message_id


def message_is_not_stored(herald: Harness) -> None:
    _, message_id = fail_on_the_way(herald, "StoreError")
    assert herald.item(message_id) == {}


def message_is_not_claimed(herald: Harness) -> None:
    _, message_id = fail_on_the_way(herald, "StoreError")
    assert herald.delivery(message_id)["state"] == "pending"


def message_waits(
    herald: Harness,
    path: str = "/contact",
    channel: str = "pushover",
    delivered: Callable[[Harness, str], object] = Harness.pushes,
) -> dict[str, Any]:
    word, message_id = fail_on_the_way(herald, "DeliveryIncompleteError", path)
    delivery = herald.delivery(message_id, channel)
    assert delivery["error"] == "ChannelUnavailableError"
    assert not delivered(herald, word)
    return delivery


def mail_waits(herald: Harness) -> None:
    """What only the owner can mend keeps the message, which waits longer than Lambda's own retries take."""
    delivery = message_waits(herald, "/contact/mailed", "email", Harness.mails)
    assert (delivery["state"], delivery["attempts"]) == ("waiting", "1")


def webhook_waits(herald: Harness) -> None:
    message_waits(herald, "/contact/signed", "own", Harness.hooks)


def one_of_several_waits(herald: Harness, kind: str) -> None:
    message_waits(herald, "/contact/hooked", kind, lambda herald, word: herald.taken_by(kind, word))


def mail_is_not_checked(herald: Harness) -> None:
    request = {"version": 1, "id": "check-1", "channel": "email", "title": "Check", "message": "Check", "check": True}
    told, error = herald.ask("notify_email", request)
    assert (error, told["message"]) == ("ChannelUnavailableError", "SES could not be asked: AccessDeniedException")


def bus_hears_nothing(herald: Harness) -> None:
    word, before = marker(), herald.metric("destined", "DestinationDeliveryFailures")
    message_id = herald.accepted(word)
    wait_for(lambda: herald.metric("destined", "DestinationDeliveryFailures") > before, "failed destination")
    assert herald.pushes(word)
    assert not [line for line in herald.lines("on_success") if line.get("message_id") == message_id]


def gateway_answers_500(herald: Harness) -> None:
    answer = herald.post_form(message=marker())
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "application/problem+json")


def no_challenge(herald: Harness) -> None:
    """Without the key a message is accepted all the same, and nothing is held against it."""
    assert herald.get("/contact/guarded/challenge").status_code == 503
    word = marker()
    message_id = herald.accepted(word, "/contact/guarded")
    wait_for(lambda: herald.pushes(word), "push")
    assert herald.line("destined", message_id=message_id)["signals"] == ["unchecked"]


def is_unavailable(herald: Harness, function: str, **asked: str) -> None:
    assert herald.ask(function, {"version": 1, **asked})[1] == "UnavailableError"


def message_is_not_read_by_url(herald: Harness) -> None:
    query = {"version": "1", "id": marker()}
    event = {"rawPath": "/", "requestContext": {"http": {"method": "GET"}}, "queryStringParameters": query}
    assert herald.invoke("get_message_url", event)["statusCode"] == 503


def fails(
    function: str,
    error: str,
    event: Callable[[Harness], dict[str, Any]] = Harness.scheduled,
    amid: Callable[[Harness], AbstractContextManager[None]] = lambda herald: nullcontext(),
) -> Signal:
    """The signal that a run of a function ends with an error, which Lambda repeats or an alarm tells."""

    def signal(herald: Harness) -> None:
        with amid(herald):
            assert failed_with(herald, function, event(herald)) == error

    return signal


def failed_with(herald: Harness, function: str, event: dict[str, Any]) -> str:
    answer = herald.account.functions.invoke(
        FunctionName=herald.stage.function(function), Payload=json.dumps(event).encode()
    )
    return str(json.loads(answer["Payload"].read()).get("errorType"))


def a_retry(herald: Harness) -> dict[str, Any]:
    return herald.retried(marker())


def a_failure(herald: Harness) -> dict[str, Any]:
    """An event of the bus, as on_failure gets it."""
    return {
        "version": "0",
        "id": "1",
        "source": "lambda",
        "detail-type": "Lambda Function Invocation Result - Failure",
        "detail": {
            "requestContext": {"condition": "RetriesExhausted", "approximateInvokeCount": 3},
            "requestPayload": herald.retried(marker()),
            "responsePayload": {"errorType": "StoreError"},
        },
    }


def a_success(herald: Harness, message_id: str = "") -> dict[str, Any]:
    """An event of the bus that says that a message was delivered."""
    answer = {"source": "herald.contact", "action": "delivered"}
    request = herald.retried(message_id or marker())
    return {
        "detail": {"requestContext": {"condition": "Success"}, "requestPayload": request, "responsePayload": answer}
    }


def a_new_object(herald: Harness) -> dict[str, Any]:
    return {"detail": {"object": {"key": f"incoming/{marker()}.jpg"}}}


@contextmanager
def no_alarm_yet(herald: Harness, unreported: int = 0) -> Iterator[None]:
    """As if the owner had not been told anything for long."""
    herald.change("alarm#", {"quiet_until": 1, "unreported": unreported})
    try:
        yield
    finally:
        herald.forget("alarm#")


three_untold = partial(no_alarm_yet, unreported=3)


@contextmanager
def one_due(herald: Harness) -> Iterator[None]:
    """A message that the scheduled retry finds; nobody knows its channel, so nothing rings."""
    message_id = marker()
    herald.change(message_id, {"site": "default", "due": "yes", "due_at": 1})
    try:
        yield
    finally:
        herald.forget(message_id)


def schedule_runs_nothing(herald: Harness, function: str) -> None:
    """A schedule fires seldom; with a pattern beside it its rule can be made to fire at once."""
    events = herald.account.client("events")
    target = herald.account.where.arn("lambda", f"function:{herald.stage.function(function)}")
    (rule,) = events.list_rule_names_by_target(TargetArn=target)["RuleNames"]
    schedule = events.describe_rule(Name=rule)["ScheduleExpression"]
    before = rule_failures(herald, rule)
    events.put_rule(Name=rule, ScheduleExpression=schedule, EventPattern='{"source": ["herald.test"]}')
    try:
        events.put_events(Entries=[{"Source": "herald.test", "DetailType": "test", "Detail": "{}"}])
        wait_for(lambda: rule_failures(herald, rule) > before, "failed invocation")
    finally:
        events.put_rule(Name=rule, ScheduleExpression=schedule)


def rule_failures(herald: Harness, rule: str) -> float:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html"""
    return herald.metric_of("AWS/Events", "FailedInvocations", RuleName=rule)


def topic_dead_letter(herald: Harness) -> None:
    message_id = herald.accepted(marker())
    letter = herald.dead_letter("topic-dead-letters", message_id)
    assert json.loads(json.loads(letter)["Message"])["id"] == message_id
    assert herald.item(message_id) == {}


def rule_dead_letter_of_success(herald: Harness) -> None:
    word = marker()
    message_id = herald.accepted(word)
    wait_for(lambda: herald.pushes(word), "push")
    event = json.loads(herald.dead_letter("rule-dead-letters", message_id))
    assert event["detail"]["responsePayload"]["message"]["id"] == message_id
    assert not [line for line in herald.lines("on_success") if line.get("message_id") == message_id]


def canary_is_a_dead_letter(herald: Harness) -> None:
    herald.invoke("canary", herald.scheduled())
    event = json.loads(herald.dead_letter("rule-dead-letters", "herald.canary"))
    assert event["detail"]["responsePayload"]["source"] == "herald.canary"


def rule_dead_letter_of_failure(herald: Harness) -> None:
    herald.send_event("fail")
    event = json.loads(herald.dead_letter("rule-dead-letters", "EventFailedError"))
    assert event["detail"]["responsePayload"]["errorType"] == "EventFailedError"


def run_is_not_kept(herald: Harness, function: str, condition: str = "") -> None:
    before = herald.metric(function, "DestinationDeliveryFailures")
    if condition:
        put_unreadable(herald, condition)
    else:
        name = herald.stage.function(function)
        herald.account.functions.invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")
    wait_for(lambda: herald.metric(function, "DestinationDeliveryFailures") > before, "failed destination")


def put_unreadable(herald: Harness, condition: str) -> None:
    """Put an event on the bus that a rule matches and its function can't read."""
    detail = {
        "requestContext": {"condition": condition},
        "requestPayload": "not an object",
        "responsePayload": {"action": "delivered"},
    }
    entry = {"Source": "lambda", "DetailType": "test", "Detail": json.dumps(detail), "EventBusName": herald.stage.bus}
    assert herald.account.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0


PHOTO = ("a.jpg", photo(), "image/jpeg")


def files_are_not_put(herald: Harness) -> None:
    assert send(herald, marker(), PHOTO).status_code == 503
    assert herald.line("api_handler", message="The bucket did not take the files")["reason"] == "AccessDenied"


def files_are_not_kept(herald: Harness) -> None:
    word = marker()
    message_id = sent(herald, word, PHOTO)
    assert herald.line("on_failure", message_id=message_id)["error_type"] == "FilesError"
    assert not herald.pushes(word)


def lost_file_keeps_its_message(herald: Harness) -> None:
    message_id = publish_too_late(herald, marker())
    assert herald.line("on_failure", message_id=message_id)["error_type"] == "FilesError"
    assert not herald.pushes(message_id)


def lost_file_is_not_told(herald: Harness) -> None:
    word = publish_too_late(herald, marker())
    (push,) = wait_for(lambda: herald.pushes(word), "push")
    assert "not examined" in push["message"]


def files_are_not_attached(herald: Harness, kind: str) -> None:
    word = marker()
    message_id = sent(herald, word, PHOTO)
    assert herald.line(f"notify_{kind}", message="Files were not attached", message_id=message_id)
    wait_for(lambda: herald.pushes(word), "push")


def files_are_not_examined(herald: Harness) -> None:
    word = marker()
    sent(herald, word, PHOTO)
    (push,) = wait_for(lambda: herald.pushes(word), "push")
    assert "not examined" in push["message"]


def incoming_runs_nothing(herald: Harness) -> None:
    before = rule_failures(herald, herald.stage.function("examine"))
    herald.account.client("s3").put_object(Bucket=herald.bucket, Key=f"incoming/{marker()}.jpg", Body=photo())
    wait_for(lambda: rule_failures(herald, herald.stage.function("examine")) > before, "failed invocation")


def captcha_is_not_verified(herald: Harness) -> None:
    fields = {"cf-turnstile-response": "XXXX.DUMMY.TOKEN.XXXX"}
    message_id = herald.accepted(marker(), "/contact/asked", **fields)
    assert herald.line("destined", message_id=message_id, action="delivered")["signals"] == ["captcha_unchecked"]


def of_a_visitor(herald: Harness) -> str:
    """The id of a delivered message whose visitor is to be answered."""
    word = marker()
    message_id = herald.accepted(word, "/contact/answered", email=f"{word}@visitor.site")
    herald.line("on_success", message_id=message_id, action="delivered")
    return message_id


def answer_is_not_recorded(herald: Harness) -> None:
    message_id = of_a_visitor(herald)
    assert failed_with(herald, "autoreply", a_success(herald, message_id)) == "StoreError"
    assert not herald.mails(message_id)


def answer_is_not_sent(herald: Harness) -> None:
    message_id = of_a_visitor(herald)
    line = herald.line("autoreply", message="Visitor not answered", message_id=message_id)
    assert line["reason"].startswith("AccessDenied")
    assert not herald.mails(message_id)


def rule_dead_letter_of_autoreply(herald: Harness) -> None:
    message_id = of_a_visitor(herald)
    event = json.loads(herald.dead_letter("rule-dead-letters", message_id))
    assert event["detail"]["responsePayload"]["message"]["id"] == message_id
    assert not herald.mails(message_id)


def link_is_not_carried(herald: Harness) -> None:
    word = marker()
    message_id = herald.accepted(word, "/contact/pocketed")
    assert herald.line("destined", message="A notification has no link to the inbox")
    herald.line("on_success", message_id=message_id, action="delivered")
    (push,) = herald.pushes(word)
    assert "Inbox: " not in push["message"]


def link_is_not_verified(herald: Harness) -> None:
    with pocket(herald, "pocketed") as browser:
        assert browser.gets(browser.link(marker())).status_code == 503


def link_is_not_used(herald: Harness) -> None:
    with pocket(herald, "pocketed") as browser:
        link = browser.link(marker())
        for _ in range(2):
            assert browser.posts(link).status_code == 503, "it is not used up"


@contextmanager
def opened(herald: Harness) -> Iterator[tuple[Pocket, str]]:
    """The inbox in the pocket at a message with an image, and the message's id."""
    message_id = sent(herald, marker(), PHOTO, path="/contact/pocketed")
    herald.line("on_success", message_id=message_id, action="delivered")
    with pocket(herald, "pocketed") as browser:
        assert message_id in browser.opens(browser.link(message_id)).text
        yield browser, message_id


def pocket_lists_nothing(herald: Harness) -> None:
    with opened(herald) as (browser, _):
        assert browser.gets("./").status_code == 503


def pocket_shows_no_image(herald: Harness) -> None:
    with opened(herald) as (browser, message_id):
        assert browser.gets(f"file?id={message_id}&number=1").status_code == 503


def pocket_erases_nothing(herald: Harness) -> None:
    with opened(herald) as (browser, message_id):
        assert browser.posts(f"erase?id={message_id}").status_code == 503
    assert herald.item(message_id), "what was not erased whole can be erased again"


def pocket_runs_nothing(herald: Harness) -> None:
    held = herald.accepted(marker(), "/contact/pocketed", _gotcha="x")
    herald.line("on_success", message_id=held, action="quarantined")
    with pocket(herald, "pocketed") as browser:
        browser.opens(browser.link(held))
        assert browser.posts(f"release?id={held}").headers["Location"].endswith("done=later")


def fresh_link_is_not_sent(herald: Harness) -> None:
    with pocket(herald, "pocketed") as browser:
        assert browser.posts(browser.link(marker(), "fresh")).status_code == 503
    assert herald.line("inbox", message="A fresh link was not sent")


def nobody_is_let_in(herald: Harness) -> None:
    with pocket(herald, "pocketed") as browser:
        answer = browser.gets(browser.link(marker()))
    assert (answer.status_code, answer.json()) == (403, {"Message": "Forbidden"})


WITHOUT_STATEMENT: dict[tuple[str, str], Signal] = {
    ("api_handler", "PublishMessages"): api_answers_503,
    ("api_handler", "ReadKey"): no_challenge,
    ("destined", "StoreMessages"): message_is_not_stored,
    ("destined", "RecordOutcomes"): message_is_not_claimed,
    ("destined", "RecallMessages"): fails("destined", "StoreError", a_retry),
    ("destined", "InvokeNotifiers"): message_waits,
    ("destined", "SendOutcome"): bus_hears_nothing,
    ("retry_due", "FindDue"): fails("retry_due", "StoreError"),
    ("retry_due", "PutOff"): fails("retry_due", "StoreError", amid=one_due),
    ("retry_due", "RunDestined"): fails("retry_due", "RetryError", amid=one_due),
    ("canary", "PublishCanary"): fails("canary", "PublishError"),
    ("digest", "CountMessages"): fails("digest", "StoreError", amid=a_day),
    ("digest", "ReadLastDigest"): fails("digest", "StoreError", amid=a_day),
    ("digest", "ClaimDigest"): fails("digest", "StoreError", amid=a_day),
    ("digest", "SendDigests"): fails("digest", "ChannelUnavailableError", amid=a_day),
    ("api_handler", "PutFiles"): files_are_not_put,
    ("destined", "ReadNewFiles"): files_are_not_kept,
    ("destined", "KeepFiles"): files_are_not_kept,
    ("destined", "SeeMissingFiles"): lost_file_keeps_its_message,
    ("destined", "ExamineFiles"): files_are_not_examined,
    ("notify_pushover", "ReadFiles"): partial(files_are_not_attached, kind="pushover"),
    ("notify_email", "ReadFiles"): partial(files_are_not_attached, kind="email"),
    ("examine", "ReadFiles"): files_are_not_examined,
    ("examine", "SeeMissingFiles"): lost_file_is_not_told,
    ("examine", "ReadIncoming"): fails("examine", "FilesError", a_new_object),
    ("examine", "RecordExaminations"): files_are_not_examined,
    ("examine", "KeepFailedRuns"): partial(run_is_not_kept, function="examine"),
    ("destined", "ReadCaptchaSecrets"): captcha_is_not_verified,
    ("destined", "ReadInboxKey"): link_is_not_carried,
    ("inbox", "ReadKey"): link_is_not_verified,
    ("inbox", "ReadMessages"): link_is_not_used,
    ("inbox", "ListMessages"): pocket_lists_nothing,
    ("inbox", "ReadFields"): pocket_lists_nothing,
    ("inbox", "NoteSessions"): link_is_not_used,
    ("inbox", "ReadFiles"): pocket_shows_no_image,
    ("inbox", "EraseMessages"): pocket_erases_nothing,
    ("inbox", "EraseKeptFiles"): pocket_erases_nothing,
    ("inbox", "EraseNewFiles"): pocket_erases_nothing,
    ("inbox", "RunDestined"): pocket_runs_nothing,
    ("inbox", "SendLinks"): fresh_link_is_not_sent,
    ("autoreply", "ReadAnswered"): fails("autoreply", "StoreError", a_success),
    ("autoreply", "AnswerOnce"): answer_is_not_recorded,
    ("autoreply", "SendAnswers"): answer_is_not_sent,
    ("autoreply", "KeepFailedRuns"): partial(run_is_not_kept, function="autoreply"),
    ("notify_pushover", "ReadSecrets"): message_waits,
    ("notify_email", "SendMail"): mail_waits,
    ("notify_email", "CheckSender"): mail_is_not_checked,
    ("notify_email", "CheckAccount"): mail_is_not_checked,
    ("notify_webhook", "ReadSecrets"): webhook_waits,
    **{(f"notify_{kind}", "ReadSecrets"): partial(one_of_several_waits, kind=kind) for kind in HTTP},
    ("get_message", "ReadMessages"): partial(is_unavailable, function="get_message", id="any"),
    ("list_messages", "ListMessages"): partial(is_unavailable, function="list_messages", site="default"),
    ("get_message_url", "ReadMessages"): message_is_not_read_by_url,
    ("on_success", "KeepFailedRuns"): partial(run_is_not_kept, function="on_success", condition="Success"),
    ("on_failure", "KeepFailedRuns"): partial(run_is_not_kept, function="on_failure", condition="RetriesExhausted"),
    ("on_failure", "CountFailures"): fails("on_failure", "StoreError", a_failure),
    ("on_failure", "LookUpMessages"): fails("on_failure", "StoreError", a_failure, no_alarm_yet),
    ("on_failure", "NotifyOwner"): fails("on_failure", "ChannelUnavailableError", a_failure, no_alarm_yet),
    ("retry_due", "NotifyOwner"): fails(
        "retry_due", "ChannelUnavailableError", amid=partial(no_alarm_yet, unreported=3)
    ),
}
WITHOUT_PERMISSION: dict[tuple[str, str], Signal] = {
    ("api_handler", "apigateway.amazonaws.com"): gateway_answers_500,
    ("destined", "sns.amazonaws.com"): topic_dead_letter,
    ("retry_due", "events.amazonaws.com"): partial(schedule_runs_nothing, function="retry_due"),
    ("canary", "events.amazonaws.com"): partial(schedule_runs_nothing, function="canary"),
    ("digest", "events.amazonaws.com"): partial(schedule_runs_nothing, function="digest"),
    ("examine", "events.amazonaws.com"): incoming_runs_nothing,
    ("inbox", "*"): nobody_is_let_in,
    ("autoreply", "events.amazonaws.com"): rule_dead_letter_of_autoreply,
    ("on_success", "events.amazonaws.com"): rule_dead_letter_of_success,
    ("on_failure", "events.amazonaws.com"): rule_dead_letter_of_failure,
}

EVERY_RUN = (
    ("api_handler", "PublishMessages"),
    ("api_handler", "apigateway.amazonaws.com"),
    ("destined", "InvokeNotifiers"),
    ("destined", "StoreMessages"),
    ("destined", "sns.amazonaws.com"),
    ("on_failure", "events.amazonaws.com"),
    ("retry_due", "RunDestined"),
)
"""What `make test` takes away: of each service that refuses, one. `make test-full` takes away everything."""


def rows(signals: Iterable[tuple[str, str]]) -> list[Any]:
    return [pytest.param(*row, marks=() if row in EVERY_RUN else pytest.mark.full) for row in signals]


@pytest.fixture(scope="module", autouse=True)
def _path_works_with_all_of_them_again(deployed: Harness) -> Iterator[None]:
    """Looked at once, after all rows: a message and an event take seconds on their way."""
    yield
    deployed.begin()
    word = marker()
    message_id = deployed.post_json({"message": word}).json()["id"]
    deployed.line("on_success", message_id=message_id, action="delivered")
    assert len(deployed.pushes(word)) == 1
    event = deployed.account.sns.publish(
        TopicArn=deployed.account.where.arn("sns", deployed.stage.topic),
        Message="please fail",
        MessageAttributes={"kind": {"DataType": "String", "StringValue": "event"}},
    )
    deployed.line("on_failure", message_id=event["MessageId"])


def test_every_statement_has_a_signal() -> None:
    assert set(WITHOUT_STATEMENT) == {(spec.name, grant.sid) for spec in FUNCTIONS for grant in spec.all_grants}


def test_every_permission_has_a_signal(herald: Harness) -> None:
    found = {
        (spec.name, who(statement))
        for spec in functions_of(herald.stage)
        for statement in herald.permissions(spec.name)
    }
    assert set(WITHOUT_PERMISSION) == found


@pytest.mark.parametrize(("function", "sid"), rows(WITHOUT_STATEMENT))
def test_without_a_statement_the_path_fails(herald: Harness, function: str, sid: str) -> None:
    herald.restart(function)  # A warm function may keep what it read while it was still allowed to.
    with herald.without_statement(function, sid):
        WITHOUT_STATEMENT[function, sid](herald)


@pytest.mark.parametrize(("function", "service"), rows(WITHOUT_PERMISSION))
def test_without_a_permission_the_path_fails(herald: Harness, function: str, service: str) -> None:
    for statement in _of_service(herald, function, service):
        with herald.without_permission(function, statement):
            canarys = str(statement["Condition"]).count(canary_rule.rule(herald.stage))
            (canary_is_a_dead_letter if canarys else WITHOUT_PERMISSION[function, service])(herald)


@pytest.mark.full
def test_a_failed_run_of_a_rules_function_is_kept_with_the_event(herald: Harness) -> None:
    put_unreadable(herald, "RetriesExhausted")
    letter = json.loads(herald.dead_letter("rule-dead-letters", '"RetriesExhausted"'))
    assert letter["requestPayload"]["detail"]["requestPayload"] == "not an object"
    assert letter["requestContext"]["condition"] == "RetriesExhausted"


def test_without_its_statement_send_event_tells_the_topics_error(herald: Harness) -> None:
    iam = herald.account.client("iam")
    role = herald.stage.function("send-event")
    document = iam.get_role_policy(RoleName=role, PolicyName="publish")["PolicyDocument"]
    iam.delete_role_policy(RoleName=role, PolicyName="publish")
    try:
        answer = herald.send_event()
    finally:
        iam.put_role_policy(RoleName=role, PolicyName="publish", PolicyDocument=json.dumps(document))
    assert answer.status_code == 400, answer.text
    assert answer.json()["state"] == "error"
    assert "not authorized" in answer.json()["message"]
    assert herald.send_event().status_code == 200


def _of_service(herald: Harness, function: str, service: str) -> list[dict[str, Any]]:
    return [each for each in herald.permissions(function) if who(each) == service]
