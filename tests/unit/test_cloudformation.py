"""CloudFormation stacks, in whatever state they are found."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from ops.aws import cloudformation
from ops.errors import OpsError
from tests.fakes import stage

Stubbed = Callable[[str], tuple[Any, Stubber]]
NAME = "herald-dev-foundation"
WHEN = datetime(2026, 1, 1, tzinfo=UTC)
QUEUES = "Resources: {Letters: {Type: AWS::SQS::Queue}}"
ARGUMENTS = {
    "StackName": NAME,
    "TemplateBody": "Resources: {}",
    "Parameters": [{"ParameterKey": "TopicName", "ParameterValue": "herald-dev-messages"}],
    "Capabilities": ["CAPABILITY_NAMED_IAM"],
    "Tags": [{"Key": "app", "Value": "herald"}],
    "ClientRequestToken": ANY,
}


def never(seconds: float) -> None:
    pytest.fail(f"sleeps for {seconds} s")


def event(**keys: str) -> dict[str, Any]:
    return {"StackId": "id", "EventId": "id", "StackName": NAME, "Timestamp": WHEN, **keys}


class Cloud:
    """What CloudFormation will be asked, in order, and what it answers."""

    def __init__(self, stubbed: Stubbed) -> None:
        self.client, self.stub = stubbed("cloudformation")
        self.said: list[str] = []

    def describes(self, *statuses: str | None, **more: Any) -> Cloud:
        for status in statuses:
            if status is None:
                self.stub.add_client_error(
                    "describe_stacks", "ValidationError", f"Stack with id {NAME} does not exist", 400
                )
            else:
                found = {"StackName": NAME, "CreationTime": WHEN, "StackStatus": status, **more}
                self.stub.add_response("describe_stacks", {"Stacks": [found]}, {"StackName": NAME})
        return self

    def creates(self, template: str = "Resources: {}") -> Cloud:
        expected = {**ARGUMENTS, "TemplateBody": template, "OnFailure": "ROLLBACK"}
        self.stub.add_response("create_stack", {"StackId": "id"}, expected)
        return self

    def updates(self) -> Cloud:
        self.stub.add_response("update_stack", {"StackId": "id"}, ARGUMENTS)
        return self

    def changed(self, *pages: list[dict[str, Any]]) -> Cloud:
        """The end of an update, and its events. Those without a token get that of the update."""
        self.describes("UPDATE_COMPLETE")
        own = [event for page in pages for event in page if "ClientRequestToken" not in event]
        for number, page in enumerate(pages or ([],), 1):
            found = {"StackEvents": page, **({"NextToken": f"{number}"} if number < len(pages) else {})}
            self.stub.add_response("describe_stack_events", found)

        def send(params: dict[str, Any], **_: Any) -> None:
            for event in own:
                event["ClientRequestToken"] = params["ClientRequestToken"]

        self.client.meta.events.register("provide-client-params.cloudformation.UpdateStack", send)
        return self

    def deletes(self) -> Cloud:
        self.stub.add_response("delete_stack", {}, {"StackName": NAME})
        return self

    def rolls_back(self, **failed: str) -> Cloud:
        """The creation fails; ``failed`` has the reason of each resource."""
        self.describes("ROLLBACK_COMPLETE")
        events = [
            {
                **{"StackId": "id", "EventId": resource, "StackName": NAME, "Timestamp": WHEN},
                **{"LogicalResourceId": resource, "ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": reason},
            }
            for resource, reason in failed.items()
        ]
        complete = events[0] | {"ResourceStatus": "CREATE_COMPLETE", "ResourceStatusReason": "fine"}
        self.stub.add_response("describe_stack_events", {"StackEvents": [*events, complete]})
        return self.describes("ROLLBACK_COMPLETE")

    def apply(self, template: str = "Resources: {}", sleep: Callable[[float], None] = never) -> str:
        parameters, tags = {"TopicName": "herald-dev-messages"}, {"app": "herald"}
        return cloudformation.apply(
            *(self.client, NAME, template, parameters, tags, lambda name, text: "unused"),
            report=self.said.append,
            sleep=sleep,
        )


@pytest.fixture
def cloud(stubbed: Stubbed) -> Cloud:
    return Cloud(stubbed)


def test_names_of_the_stacks() -> None:
    found = [of(stage("dev")) for of in (cloudformation.data, cloudformation.foundation, cloudformation.wiring)]
    assert found == ["herald-dev-data", "herald-dev-foundation", "herald-dev-wiring"]


def test_a_stack_that_is_not_there_is_created(cloud: Cloud) -> None:
    cloud.describes(None, None).creates().describes("CREATE_COMPLETE")
    assert cloud.apply() == "created"


@pytest.mark.parametrize("before", ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"])
def test_a_stack_that_stands_is_changed(cloud: Cloud, before: str) -> None:
    cloud.describes(before, before).updates().changed()
    assert cloud.apply() == "changed"


def test_a_stack_without_differences_is_unchanged(cloud: Cloud) -> None:
    cloud.describes("UPDATE_COMPLETE", "UPDATE_COMPLETE")
    cloud.stub.add_client_error("update_stack", "ValidationError", "No updates are to be performed.", 400)
    assert cloud.apply() == "unchanged"


@pytest.mark.parametrize(
    "before", ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS"]
)
def test_a_stack_that_never_stood_is_deleted_and_made_anew(cloud: Cloud, before: str) -> None:
    cloud.describes(before, before, before, before).deletes().describes(None)
    cloud.creates(QUEUES).describes("CREATE_COMPLETE")
    assert cloud.apply(QUEUES) == "created"


@pytest.mark.parametrize(
    ("found", "settled"),
    [
        ("CREATE_IN_PROGRESS", "CREATE_COMPLETE"),
        ("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"),
        ("UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"),
        ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"),
    ],
)
def test_what_an_interrupted_run_began_comes_to_its_end_first(cloud: Cloud, found: str, settled: str) -> None:
    cloud.describes(found, settled, settled).updates().changed()
    assert cloud.apply() == "changed"


def test_a_deletion_under_way_is_waited_for_before_the_stack_is_made(cloud: Cloud) -> None:
    cloud.describes("DELETE_IN_PROGRESS", None, None).creates(QUEUES).describes("CREATE_COMPLETE")
    assert cloud.apply(QUEUES) == "created"


def test_a_rollback_under_way_ends_and_the_stack_is_made_anew(cloud: Cloud) -> None:
    ended = "ROLLBACK_COMPLETE"
    cloud.describes("ROLLBACK_IN_PROGRESS", ended, ended, ended, ended).deletes().describes(None)
    cloud.creates().describes("CREATE_COMPLETE")
    assert cloud.apply() == "created"


RECENTLY = "You must wait 60 seconds after deleting a queue before you can create another with the same name."


@pytest.mark.parametrize("reason", [f"{RECENTLY} (Service: Sqs, Status Code: 400)", "QueueDeletedRecently"])
@pytest.mark.parametrize("again", [False, True], ids=["then", "again"])
def test_where_sqs_still_refuses_the_name_of_a_deleted_queue_the_stack_is_made_once_more_after_its_minute(
    cloud: Cloud, reason: str, again: bool
) -> None:
    slept: list[float] = []
    tokens: list[str] = []
    cloud.client.meta.events.register(
        "provide-client-params.cloudformation.CreateStack",
        lambda params, **_: tokens.append(params["ClientRequestToken"]),
    )
    others = dict.fromkeys(("Table", "A", "B", "C", "D"), "Resource creation cancelled")

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        cloud.creates(QUEUES)
        cloud.rolls_back(Letters=reason) if again else cloud.describes("CREATE_COMPLETE")

    cloud.describes(None, None).creates(QUEUES).rolls_back(**others, Letters=reason)
    cloud.describes(*["ROLLBACK_COMPLETE"] * 2).deletes().describes(None)
    if again:
        with pytest.raises(OpsError, match=f"ROLLBACK_COMPLETE:\n  Letters: {re.escape(reason)}"):
            cloud.apply(QUEUES, sleep)
    else:
        assert cloud.apply(QUEUES, sleep) == "created"
    assert slept == [70]
    assert "SQS" in "".join(cloud.said)
    assert len(set(tokens)) == 2, "else CloudFormation takes the second for the first"


def test_a_failure_names_each_resource_and_its_reason(cloud: Cloud) -> None:
    cloud.describes(None, None).creates().rolls_back(Topic="no permission")
    with pytest.raises(OpsError) as caught:
        cloud.apply()
    assert str(caught.value) == f"the stack {NAME} is ROLLBACK_COMPLETE:\n  Topic: no permission"
    assert cloud.said == []


def deletion(of: str, status: str, **more: str) -> dict[str, Any]:
    ids = {"LogicalResourceId": of, "PhysicalResourceId": f"arn:{of}"}
    return event(**ids, ResourceStatus=f"DELETE_{status}", ResourceStatusReason=f"{of} is attached", **more)


def test_what_an_update_could_not_delete_is_reported_once_with_its_reason(cloud: Cloud) -> None:
    """As in https://repost.aws/knowledge-center/cloudformation-stack-cleanup-stuck: three attempts, then it is left."""
    earlier = deletion("OfBefore", "FAILED", ClientRequestToken="another")
    pages = (
        [deletion("Grant", "FAILED"), deletion("Rule", "COMPLETE")],
        [
            *(deletion("Grant", "FAILED"), deletion("Rule", "FAILED"), deletion("Grant", "IN_PROGRESS")),
            *(earlier, deletion("Older", "FAILED", ClientRequestToken="another")),
        ],
    )
    cloud.describes("UPDATE_COMPLETE", "UPDATE_COMPLETE").updates().changed(*pages)
    assert cloud.apply() == "changed"
    assert cloud.said == [
        "Grant could not be deleted and is in the stack no more; delete arn:Grant by hand: Grant is attached"
    ]


def test_a_stack_is_changed_also_where_its_events_may_not_be_read(cloud: Cloud) -> None:
    cloud.describes("UPDATE_COMPLETE", "UPDATE_COMPLETE").updates().describes("UPDATE_COMPLETE")
    cloud.stub.add_client_error("describe_stack_events", "AccessDenied")
    assert cloud.apply() == "changed"
    assert len(cloud.said) == 1
    assert "AccessDenied" in cloud.said[0]


def test_a_refusal_escapes(cloud: Cloud) -> None:
    cloud.describes("CREATE_COMPLETE", "CREATE_COMPLETE")
    cloud.stub.add_client_error("update_stack", "ValidationError", "Template format error", 400)
    with pytest.raises(ClientError, match="Template format error"):
        cloud.apply()


def test_missing_permission_is_not_taken_for_a_missing_stack(cloud: Cloud) -> None:
    cloud.stub.add_client_error("describe_stacks", "AccessDenied")
    with pytest.raises(ClientError, match="AccessDenied"):
        cloudformation.status(cloud.client, NAME)


def test_outputs_are_read_and_a_stack_without_any_and_a_missing_one_have_none(cloud: Cloud) -> None:
    cloud.describes("CREATE_COMPLETE", Outputs=[{"OutputKey": "TopicArn", "OutputValue": "arn"}])
    assert cloudformation.outputs(cloud.client, NAME) == {"TopicArn": "arn"}
    cloud.describes("CREATE_COMPLETE", None)
    assert [cloudformation.outputs(cloud.client, NAME) for _ in range(2)] == [{}, {}]


def test_deleting_says_whether_there_was_anything(cloud: Cloud) -> None:
    cloud.describes("CREATE_COMPLETE", "CREATE_COMPLETE").deletes().describes(None)
    assert cloudformation.delete(cloud.client, NAME) is True
    cloud.describes(None, None)
    assert cloudformation.delete(cloud.client, NAME) is False


def test_a_change_whose_rollback_failed_is_brought_to_its_end_before_the_next(cloud: Cloud) -> None:
    cloud.describes("UPDATE_ROLLBACK_FAILED", "UPDATE_ROLLBACK_FAILED")
    cloud.stub.add_response("continue_update_rollback", {}, {"StackName": NAME})
    cloud.describes("UPDATE_ROLLBACK_COMPLETE").updates().changed()
    assert cloud.apply() == "changed"


@pytest.mark.parametrize(
    ("found", "settled"), [("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"), ("CREATE_IN_PROGRESS", "CREATE_COMPLETE")]
)
def test_a_stack_that_changes_is_deleted_once_it_has_changed(cloud: Cloud, found: str, settled: str) -> None:
    cloud.describes(found, settled, settled).deletes().describes(None)
    assert cloudformation.delete(cloud.client, NAME)
