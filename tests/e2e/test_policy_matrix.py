"""No permission unused, no call unpermitted, in every configuration of a matrix.

Each configuration is deployed to one local stack and lives through all that a stage can: messages, failures, a
scheduled retry, questions, letters. What IAM was asked meanwhile is held against the very policies that were deployed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from chalicelib.functions import functions_of
from chalicelib.logic.digest import DAY
from chalicelib.logic.message_files import facts_key
from ops.config.loader import LOCAL
from ops.local.aws.access_log import VARIABLE
from ops.local.ports import Ports
from ops.local.stack import LocalStack, Pushover
from ops.templates import pipeline_roles
from ops.templates.function_policies import policy
from ops.templates.resource_access import permissions
from tests.e2e.conftest import ROOT, link_checkout
from tests.e2e.harness import Harness, marker, wait_for, who
from tests.e2e.pocket import pocket
from tests.e2e.test_deploying import add_boundary, boundaries
from tests.e2e.test_digest import let_be_told, yesterday
from tests.e2e.test_files import publish_too_late, sent
from tests.e2e.test_least_privilege import a_failure, no_alarm_yet, put_unreadable
from tests.e2e.test_spam import proof
from tests.images import photo
from tests.matrix import Configuration, pairwise
from tests.recorded import Call, calls, differences, other_clients
from tests.rehearsal import amount

pytestmark = pytest.mark.full

Policies = dict[str, dict[str, Any]]


class Recorder:
    """A local stack to which one configuration after the other is deployed, and what IAM was asked there."""

    def __init__(self, stack: LocalStack, log: Path) -> None:
        self._stack = stack
        self._log = log

    def live(self, it: Configuration) -> tuple[Harness, Policies, set[Call]]:
        """Deploy a configuration and let it live; its policies, and the calls that were made meanwhile."""
        (self._stack.root / "herald.toml").write_text(it.toml(), encoding="utf-8")
        before = self._log.stat().st_size
        herald = Harness(self._stack, self._stack.deploy(print))
        herald.clear()
        if herald.stage.canary:
            _has_ended(herald, herald.line("canary", message="Canary sent")["message_id"])
        live(herald)
        with self._log.open(encoding="utf-8") as file:
            file.seek(before)
            lines = list(file)
        policies = deployed(herald)
        roles = {herald.stage.role(spec.name) for spec in functions_of(herald.stage)}
        assert other_clients(roles, lines) == []
        return herald, policies, calls(lines)


def live(herald: Harness) -> None:
    """Everything that a stage does in its life. Each thing is waited for, so that none falls into the next life."""
    _lose_logs(herald)
    word = marker()
    message_id = herald.accepted(word)
    herald.line("on_success", message_id=message_id, action="delivered")
    if herald.stage.asks_for_proof:
        assert herald.get("/contact/default/challenge").status_code == 200
    with_photo = _send_a_photo(herald) if herald.stage.takes_files else ""
    if herald.stage.autoreplies:
        _answer_a_visitor(herald)
    _fail_an_event(herald)
    _tell_of_a_failure(herald)
    _retry_due(herald, message_id)
    _check(herald)
    assert herald.ask("get_message", {"version": 1, "id": message_id})[1] == ""
    assert herald.ask("list_messages", {"version": 1, "site": "default"})[1] == ""
    if herald.stage.function_url:
        query = {"version": "1", "id": message_id}
        event = {"rawPath": "/", "requestContext": {"http": {"method": "GET"}}, "queryStringParameters": query}
        assert herald.invoke("get_message_url", event)["statusCode"] == 200
    if herald.stage.inbox:
        _open_the_inbox(herald, message_id, with_photo)
    if herald.stage.digest is not None:
        _send_digest(herald, message_id)
    for condition in ("Success", "RetriesExhausted"):
        put_unreadable(herald, condition)
        herald.dead_letter("rule-dead-letters")
    _lose_logs(herald)  # Nothing that the next life waits for may have been said in this one.


def _send_a_photo(herald: Harness) -> str:
    """In a form, and into the bucket as others put it there; one that is gone, and what ``examine`` can't read."""
    message_id = sent(herald, marker(), ("a.jpg", photo(), "image/jpeg"), path="/contact")
    for each in (message_id, publish_too_late(herald, marker(), "default")):
        herald.line("on_success", message_id=each, action="delivered")
    key = f"incoming/{marker()}.jpg"
    herald.account.client("s3").put_object(Bucket=herald.bucket, Key=key, Body=photo())
    wait_for(lambda: herald.item(facts_key(key)), "what is known of the object")
    function = herald.stage.function("examine")
    herald.account.functions.invoke(FunctionName=function, InvocationType="Event", Payload=b"{}")
    herald.dead_letter("rule-dead-letters")
    return message_id


def _answer_a_visitor(herald: Harness) -> None:
    """One who looks like a person; and an event that ``autoreply`` can't read."""
    word = marker()
    proved = {"cf-turnstile-response": "XXXX.DUMMY.TOKEN.XXXX"}
    if herald.stage.asks_for_proof:
        proved["altcha"] = proof(herald, "default")
    message_id = herald.post_json({"message": word, "email": f"{word}@visitor.site", **proved}).json()["id"]
    assert herald.line("autoreply", message_id=message_id)["result"] == "sent"
    function = herald.stage.function("autoreply")
    herald.account.functions.invoke(FunctionName=function, InvocationType="Event", Payload=b"{}")
    herald.dead_letter("rule-dead-letters")


def _open_the_inbox(herald: Harness, message_id: str, with_photo: str) -> None:
    """Use a link, look at all that there is, let a message out again, erase one, and ask each channel for a fresh link.

    What a channel delivered is not tried again, so the message counts as one that a channel has yet to deliver.
    """
    with pocket(herald, herald.stage.inbox_channels[0]) as browser:
        link = browser.link(message_id)
        assert message_id in browser.opens(link).text
        assert message_id in browser.gets("./").text
        herald.change(message_id, {f"deliveries.{herald.stage.inbox_channels[0]}.state": "rejected"})
        assert browser.posts(f"spam?id={message_id}").headers["Location"].endswith("done=spam")
        assert browser.posts(f"release?id={message_id}").headers["Location"].endswith("done=asked")
        wait_for(lambda: len(_retries(herald, message_id)) == 2, "a second end")
        if herald.stage.takes_files:
            assert browser.gets(f"file?id={with_photo}&number=1").headers["Content-Type"] == "image/jpeg"
        assert browser.posts(f"erase?id={with_photo}").status_code == 303
        assert browser.posts(link).status_code == 303, "its session is open"
    with pocket(herald, herald.stage.inbox_channels[0]) as another:
        assert another.posts(link).status_code == 410, "it was used"
    for item in herald.items():
        if item["id"]["S"].startswith("inbox-fresh#"):  # Lives before this one may have used up the hour's links.
            herald.forget(item["id"]["S"])
    for channel in herald.stage.inbox_channels:
        with pocket(herald, channel) as browser:
            assert browser.posts(browser.link(message_id, "fresh")).status_code == 200


def _retries(herald: Harness, message_id: str) -> list[dict[str, Any]]:
    lines = herald.lines("on_success")
    return [line for line in lines if (line.get("message_id"), line.get("kind")) == (message_id, "retry")]


def _lose_logs(herald: Harness) -> None:
    """Somebody deletes the log groups: Lambda makes them again."""
    for spec in functions_of(herald.stage):
        herald.account.logs.delete_log_group(logGroupName=herald.stage.log_group(spec.name))


def _fail_an_event(herald: Harness) -> None:
    if herald.config.send_event:
        assert herald.send_event("fail").status_code == 200
    else:
        herald.account.sns.publish(
            TopicArn=herald.account.where.arn("sns", herald.stage.topic),
            Message="please fail",
            MessageAttributes={"kind": {"DataType": "String", "StringValue": "event"}},
        )
    herald.line("on_failure", error_type="EventFailedError")


def _tell_of_a_failure(herald: Harness) -> None:
    if herald.stage.alarm_channels:
        herald.line("on_failure", message="Owner notified")
        with no_alarm_yet(herald):
            herald.invoke("on_failure", a_failure(herald))
        with no_alarm_yet(herald, unreported=3):
            herald.run_retry_due()


def _retry_due(herald: Harness, message_id: str) -> None:
    """Let a message be due that needs nothing more: the scheduled retry finds it, and destined sees that it is done."""
    herald.change(message_id, {"due": "yes", "due_at": 1})
    herald.run_retry_due()
    herald.line("on_success", message_id=message_id, kind="retry")


def _send_digest(herald: Harness, message_id: str) -> None:
    """Let the message be of a day that has ended, and that the owner was not told of: the last of a page, or beyond."""
    at = yesterday() - DAY  # Before the digest's hour yesterday has not ended yet.
    herald.change(message_id, {"received_at": at})
    let_be_told(herald, at - 60, "default")
    herald.invoke("digest", herald.scheduled())
    herald.line("digest", message="Digest sent")


def _check(herald: Harness) -> None:
    """A program asks each channel whether it could deliver, and a canary does."""
    for name in herald.stage.message_channels:
        request = {"version": 1, "id": "check-1", "title": "Check", "message": "Check", "check": True, "channel": name}
        assert herald.ask(f"notify_{herald.stage.channels[name].kind}", request)[1] == ""
    if herald.stage.canary:
        before = {line["message_id"] for line in herald.lines("canary")}
        herald.invoke("canary", herald.scheduled())
        (sent,) = {line["message_id"] for line in herald.lines("canary")} - before
        assert _has_ended(herald, sent)["action"] == "arrived"


def _has_ended(herald: Harness, message_id: str) -> dict[str, Any]:
    """How it ended; the first canary, which the deployment sends, may come before a channel is ready for it."""
    return wait_for(
        lambda: next(
            (
                line
                for function in ("on_success", "on_failure")
                for line in herald.lines(function)
                if line.get("message_id") == message_id
            ),
            None,
        ),
        "end of the canary",
    )


def deployed(herald: Harness) -> Policies:
    """The policy of each role of the stage, asked of IAM."""
    iam = herald.account.client("iam")
    found = {}
    prefix = f"herald-{herald.stage.name}-"
    for page in iam.get_paginator("list_roles").paginate():
        for role in (role["RoleName"] for role in page["Roles"] if role["RoleName"].startswith(prefix)):
            assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
            (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
            found[role] = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    return found


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    shipped = (ROOT / "herald.toml").read_text(encoding="utf-8")
    folder = link_checkout(ROOT / ".herald" / f"test-matrix-{os.getpid()}", shipped)
    log = folder / "access.jsonl"
    log.touch()
    environ = dict(os.environ) | {"HERALD_LOCAL_RETRY_SECONDS": "0.1,0.1", VARIABLE: str(log)}
    try:
        with LocalStack(folder, Ports.free(), Pushover.of({}), environ) as stack:
            # What the boundary of a pipeline's stage refused, a configuration would not live through.
            add_boundary(stack.account, stack.config().stage)
            yield Recorder(stack, log)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.rehearse("each of 16 configurations", "a permission too many or too few")
@pytest.mark.parametrize("it", pairwise()[-amount(1, 16) :], ids=str)
def test_no_permission_is_unused_and_no_call_unpermitted(recorder: Recorder, it: Configuration) -> None:
    herald, policies, made = recorder.live(it)
    assert "\n".join(differences(policies, made)) == ""
    _is_rendered(herald, policies)
    _lets_in_what_is_shown(herald)
    if herald.stage.xray:
        _is_not_traced_without_its_statement(herald)
    _would_be_seen(policies, made)


def _is_rendered(herald: Harness, policies: Policies) -> None:
    """What was deployed is what was rendered, for the functions and nobody else but /SendEvent."""
    assert boundaries(herald.account, herald.stage) == {pipeline_roles.boundary(herald.stage, herald.account.where)}
    where = herald.account.where
    rendered = {f"herald-{LOCAL}-{spec.name}": policy(spec, herald.stage, where) for spec in functions_of(herald.stage)}
    others = {f"herald-{LOCAL}-send-event"} if herald.config.send_event else set()
    assert {role: found for role, found in policies.items() if role not in others} == rendered
    assert set(policies) == set(rendered) | others


def _lets_in_what_is_shown(herald: Harness) -> None:
    """Each function lets in whom ``./herald policies`` shows, and nobody else."""
    where, functions = herald.account.where, herald.account.functions
    shown = {
        (each.on, each.who, each.actions, each.only)
        for each in permissions(herald.stack.root, herald.config, where)
        if each.on.split(":")[2] == "lambda"
    }
    found = set()
    for spec in functions_of(herald.stage):
        with suppress(functions.exceptions.ResourceNotFoundException):  # Nobody is let in.
            for each in herald.permissions(spec.name):
                ((operator, keys),) = each["Condition"].items()
                ((key, value),) = keys.items()
                arn = where.arn("lambda", f"function:{herald.stage.function(spec.name)}")
                value = re.sub(r"(?<=:)[a-z0-9]+(?=/\*$)", "<api>", value)  # Nobody knows its id before.
                # Names of condition keys are those of any case.
                only = f"{operator} {key.replace('AWS:', 'aws:')} {value}"
                found.add((arn, who(each), (each["Action"],), only))
    assert found == shown


def _is_not_traced_without_its_statement(herald: Harness) -> None:
    functions = herald.account.functions
    for spec in functions_of(herald.stage):
        name = herald.stage.function(spec.name)
        assert functions.get_function_configuration(FunctionName=name)["TracingConfig"]["Mode"] == "Active"
        with (
            herald.without_statement(spec.name, "TraceRuns"),
            pytest.raises(functions.exceptions.InvalidParameterValueException, match="PutTraceSegments on XRAY"),
        ):
            functions.update_function_configuration(FunctionName=name, TracingConfig={"Mode": "Active"})


def _would_be_seen(policies: Policies, made: set[Call]) -> None:
    """One action more or less in any statement is one difference, of that role and action."""
    other = "dynamodb:Scan"
    for role, document in policies.items():
        for number, statement in enumerate(document["Statement"]):
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            for action in actions:
                rest = [each for each in actions if each != action]
                missed = differences(_with(policies, role, number, rest), made)
                assert missed
                assert all(each.startswith(f"{role}: {action} ") and "not permitted" in each for each in missed)
            unused = differences(_with(policies, role, number, [*actions, other]), made)
            assert unused
            assert all(each.startswith(f"{role}: {other} ") and "not used" in each for each in unused)


def _with(policies: Policies, role: str, number: int, actions: list[str]) -> Policies:
    changed = deepcopy(policies)
    changed[role]["Statement"][number]["Action"] = actions
    return changed
