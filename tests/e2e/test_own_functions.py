"""Functions of the owner's own, one for each kind of trigger: each is declared once, deployed, and run by its source.

The one for a queue is that of docs/own-function.md, made as the page says.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.aws.account import Account
from ops.errors import OpsError
from ops.local.ports import Ports
from ops.local.stack import LocalStack, Pushover
from ops.naming import PSEUDO_PARAMETERS
from ops.templates import resource_access
from tests.e2e.conftest import ROOT
from tests.e2e.harness import Harness, marker, wait_for
from tests.e2e.test_commands import shell, succeeds
from tests.infrastructure.test_templates import cfn_lint
from tests.own_functions import without_own_functions

pytestmark = pytest.mark.full

PAGE = (ROOT / "docs/own-function.md").read_text(encoding="utf-8")
BUCKET = "uploads-of-the-owner"
VALUES = f'bucket = "{BUCKET}"\n'
TRIGGERS = {
    "from_s3": 'Trigger("s3", source="{bucket}", prefix="in/")',
    "from_event": 'Trigger("event", {"source": ["owner.app"]})',
    "from_sns": 'Trigger("sns", source="news-{stage}")',
    "from_table": 'Trigger("dynamodb", source="stock")',
    "from_stream": 'Trigger("kinesis", source="clicks")',
}
REFUSED = [
    "chalicelib/own_functions.py names sources of events that don't exist:",
    "  orders: there is no sqs orders in account 000000000000, us-east-1",
    f"  from_s3: there is no s3 {BUCKET} in account 000000000000, us-east-1",
    "  from_sns: there is no sns news-local in account 000000000000, us-east-1",
    "  from_table: there is no dynamodb stock in account 000000000000, us-east-1",
    "  from_stream: there is no kinesis clicks in account 000000000000, us-east-1",
]
GRANTS = {
    "from_s3": 'grants=(Grant("ReadUploads", ("s3:GetObject",), "arn:{partition}:s3:::{bucket}/*", "read them"),)'
}
SPEC = '    FunctionSpec(name="{name}", trigger={trigger}, memory=256, timeout=7, {grants}),\n'
FUNCTION = '''

@app.lambda_function()
def {name}(event: Any, context: Any) -> object:
    """Of the owner's own."""
    logger.info("Taken", taken=str(event))
    if "please fail" in str(event) or "cGxlYXNlIGZhaW" in str(event):  # the same in Base64
        raise RuntimeError("it was asked to fail")
    return {{}}
'''


def owners_resources(account: Account) -> None:
    """Make what the triggers name. It stands before the deployment, as the owner's own does."""
    account.client("s3").create_bucket(Bucket=BUCKET)
    account.sns.create_topic(Name="news-local")
    account.client("kinesis").create_stream(StreamName="clicks", ShardCount=1)
    account.dynamodb.create_table(
        TableName="stock",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    account.client("sqs").create_queue(QueueName="orders")


def show_again_soon(account: Account) -> None:
    """Have what failed come again after a second; only a deployment looks at the queue's visibility timeout."""
    sqs = account.client("sqs")
    url = sqs.get_queue_url(QueueName="orders")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})


@pytest.fixture(scope="module")
def own() -> Iterator[Harness]:
    """Stage ``local`` of a checkout with the owner's functions, on a stack of its own."""
    folder = ROOT / ".herald" / f"test-own-{os.getpid()}"
    folder.mkdir(parents=True)
    for name in ("infra", "locks", "ops", "requirements.txt", "web"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "chalicelib", folder / "chalicelib", ignore=shutil.ignore_patterns("__pycache__"))
    values, manifest, handler, app = re.findall(r"^```\w+\n(.*?)```$", PAGE, re.MULTILINE | re.DOTALL)
    text = without_own_functions((ROOT / "herald.toml").read_text(encoding="utf-8"))
    for stage in ("[stages.dev]\n", "[stages.local]\n"):
        text = text.replace(stage, f"{stage}functions = {json.dumps(['orders', *TRIGGERS])}\n")
    (folder / "herald.toml").write_text(f"{text}\n{values}{VALUES}", encoding="utf-8")
    functions = "".join(FUNCTION.format(name=name) for name in TRIGGERS)
    add(folder, "app.py", "\n\nhandlers.preload(", f"\n\n{app}{functions}")
    specs = "".join(
        SPEC.format(name=name, trigger=trigger, grants=GRANTS.get(name, "")) for name, trigger in TRIGGERS.items()
    )
    (folder / "chalicelib/own_functions.py").write_text(manifest.removesuffix(")\n") + specs + ")\n", encoding="utf-8")
    add(folder, "chalicelib/handlers/__init__.py", '    "app": "contact",', f"    {handler}")
    shutil.copyfile(ROOT / "examples/own-function/orders.py", folder / "chalicelib/handlers/orders.py")
    environ = dict(os.environ) | {"HERALD_LOCAL_RETRY_SECONDS": "0.1,0.1"}
    try:
        with LocalStack(folder, Ports.free(), Pushover.of({}), environ) as stack:
            with pytest.raises(OpsError) as refused:
                stack.deploy(print)
            assert str(refused.value).splitlines() == REFUSED
            owners_resources(stack.account)
            deployed = stack.deploy(print)
            show_again_soon(stack.account)
            yield Harness(stack, deployed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def add(folder: Path, name: str, before: str, new: str) -> None:
    """Copy a file of the checkout with ``new`` put in before a text."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text.count(before) == 1
    (folder / name).write_text(text.replace(before, new + before), encoding="utf-8")


def put(own: Harness, word: str) -> None:
    own.account.client("s3").put_object(Bucket=BUCKET, Key=f"in/{word}", Body=b"x")


def send_event(own: Harness, word: str) -> None:
    entry = {"Source": "owner.app", "DetailType": "test", "Detail": json.dumps({"word": word})}
    assert own.account.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0


def publish(own: Harness, word: str) -> None:
    own.account.sns.publish(TopicArn=own.account.where.arn("sns", "news-local"), Message=word)


def order(own: Harness, *words: str) -> None:
    sqs = own.account.client("sqs")
    for word in words:
        sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="orders")["QueueUrl"], MessageBody=word)


def put_item(own: Harness, word: str) -> None:
    own.account.dynamodb.put_item(TableName="stock", Item={"id": {"S": word}})


def put_record(own: Harness, word: str) -> None:
    own.account.client("kinesis").put_record(StreamName="clicks", Data=word.encode(), PartitionKey="1")


def send_form(own: Harness, word: str) -> None:
    own.post_json({"message": word})


CAUSES: dict[str, Callable[[Harness, str], None]] = {
    "from_s3": put,
    "from_event": send_event,
    "from_sns": publish,
    "orders": order,
    "from_table": put_item,
    "from_stream": put_record,
}
POLLED = ("orders", "from_table", "from_stream")


def taken(own: Harness, function: str, word: str) -> bool:
    """Whether the function was run with the word."""
    if function == "orders":
        return bool(own.pushes(word))
    words = (word, base64.b64encode(word.encode()).decode())
    return any(each in line.get("taken", "") for line in own.lines(function) for each in words)


@pytest.mark.parametrize("function", CAUSES)
def test_each_trigger_runs_its_function(own: Harness, function: str) -> None:
    word = marker()
    CAUSES[function](own, word)
    wait_for(lambda: taken(own, function, word), f"run of {function}")


@pytest.mark.parametrize(
    ("function", "service"), [("from_s3", "events"), ("from_event", "events"), ("from_sns", "sns")]
)
def test_without_its_permission_it_does_not_run_and_the_event_is_a_dead_letter(
    own: Harness, function: str, service: str
) -> None:
    word = marker()
    queue = "subscriber-dead-letters" if service == "sns" else "rule-dead-letters"
    own.empty(queue)
    (statement,) = own.permissions(function)
    assert statement["Principal"]["Service"] == f"{service}.amazonaws.com"
    with own.without_permission(function, statement):
        CAUSES[function](own, word)
        own.dead_letter(queue, word)
        assert not taken(own, function, word)


@pytest.mark.parametrize(
    ("function", "queue", "source", "told"),
    [
        ("from_event", "rule-dead-letters", "rule/herald-local-from_event", "doesn't let EventBridge send to it"),
        ("on_success", "rule-dead-letters", "rule/herald-local/*", "doesn't let EventBridge send to it"),
        ("from_sns", "subscriber-dead-letters", "news-local", "doesn't let sns.amazonaws.com in"),
    ],
)
def test_without_its_source_in_the_queues_policy_such_an_event_is_no_dead_letter(
    own: Harness, function: str, queue: str, source: str, told: str
) -> None:
    sqs = own.account.client("sqs")
    url = own.queue_url(queue)
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    (statement,) = own.permissions(function)
    before = told_in_log(own, told)
    assert policy.count(f':{source}"') == 1
    without = policy.replace(f':{source}"', ':another"')
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": without})
    try:
        with own.without_permission(function, statement):
            CAUSES.get(function, send_form)(own, marker())
            wait_for(lambda: told_in_log(own, told) > before, "dead letter that was refused")
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


def told_in_log(own: Harness, text: str) -> int:
    return (own.stack.work / "aws.log").read_text(encoding="utf-8").count(text)


@pytest.mark.parametrize("function", ["from_s3", "from_event", "from_sns"])
def test_an_event_that_it_fails_at_is_kept_and_without_the_statement_is_not(own: Harness, function: str) -> None:
    word = f"please fail {marker()}"
    own.empty("rule-dead-letters")
    CAUSES[function](own, word)
    letter = json.loads(own.dead_letter("rule-dead-letters", word))
    assert word in json.dumps(letter["requestPayload"])
    assert letter["responsePayload"]["errorMessage"] == "it was asked to fail"
    before = own.metric(function, "DestinationDeliveryFailures")
    with own.without_statement(function, "KeepFailedRuns"):
        CAUSES[function](own, f"please fail {marker()}")
        wait_for(lambda: own.metric(function, "DestinationDeliveryFailures") > before, "failed destination")


def test_an_object_elsewhere_in_the_bucket_runs_nothing(own: Harness) -> None:
    elsewhere, here = marker(), marker()
    own.account.client("s3").put_object(Bucket=BUCKET, Key=f"out/{elsewhere}", Body=b"x")
    put(own, here)
    wait_for(lambda: taken(own, "from_s3", here), "run of from_s3")
    assert not taken(own, "from_s3", elsewhere)


@pytest.mark.parametrize(
    ("function", "sid"), [*((each, "ReadSource") for each in POLLED), ("from_table", "ListStreams")]
)
def test_without_any_right_to_read_its_source_a_function_is_not_run_and_with_it_catches_up(
    own: Harness, function: str, sid: str
) -> None:
    word = marker()
    own.clear()
    with own.without_statement(function, sid):
        CAUSES[function](own, word)
        wait_for(lambda: "PROBLEM" in mapping(own, function)["LastProcessingResult"], "problem of the mapping")
        assert not taken(own, function, word)
    wait_for(lambda: taken(own, function, word), f"run of {function}")


def mapping(own: Harness, function: str) -> dict[str, Any]:
    name = own.stage.function(function)
    (found,) = own.account.functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    return dict(found)


@pytest.mark.parametrize("function", ["from_table", "from_stream"])
def test_where_a_stream_fails_for_good_is_kept_and_what_comes_behind_is_run(own: Harness, function: str) -> None:
    own.empty("rule-dead-letters")
    CAUSES[function](own, f"please fail {marker()}")
    letter = json.loads(own.dead_letter("rule-dead-letters"))
    assert letter["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert letter["requestContext"]["approximateInvokeCount"] == 11
    info = letter["DDBStreamBatchInfo" if function == "from_table" else "KinesisBatchInfo"]
    assert info["streamArn"] == mapping(own, function)["EventSourceArn"]
    lost = unsent(own)
    with own.without_statement(function, "KeepFailedRuns"):
        CAUSES[function](own, f"please fail {marker()}")
        wait_for(lambda: unsent(own) > lost, "record that could not be sent")
    word = marker()
    CAUSES[function](own, word)
    wait_for(lambda: taken(own, function, word), "run of what came behind")


def unsent(own: Harness) -> int:
    return told_in_log(own, "could not be sent to")


def test_each_message_of_the_queue_is_told_and_what_was_not_sent_comes_again(own: Harness) -> None:
    words = [marker(), marker()]
    own.clear()
    before = ends(own)
    with own.without_statement("orders", "SendPush"):
        order(own, *words)
        wait_for(lambda: ends(own) > before + 1, "second run of orders")
        assert [own.pushes(word) for word in words] == [[], []]
    wait_for(lambda: all(own.pushes(word) for word in words), "push of each")


def ends(own: Harness) -> int:
    return sum(line.startswith("END") for line in own.texts("orders"))


def test_after_a_deployment_with_triggers_nothing_would_change(own: Harness) -> None:
    project = str(own.stack.root)
    succeeds(own.stack.root, shell(own.stack.ports), "diff", "--project", project, "--stage", "local", "--exit-code")


def test_what_a_pipeline_may_follows_from_the_triggers(own: Harness) -> None:
    template = resource_access.read(own.stack.work / "project/infra/pipeline-dev.yaml")["Resources"]
    policies = [template["Boundary"]["Properties"]["PolicyDocument"]]
    policies += [each["PolicyDocument"] for each in template["Deploy"]["Properties"]["Policies"]]
    policies.append(template["DeployMore"]["Properties"]["PolicyDocument"])
    allowed = {
        (action, json.dumps(resource))
        for policy in policies
        for statement in policy["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
    }

    def on(service: str, resource: str) -> str:
        return json.dumps({"Fn::Sub": PSEUDO_PARAMETERS.arn(service, resource)})

    assert {
        ("s3:PutBucketNotification", json.dumps({"Fn::Sub": f"arn:${{AWS::Partition}}:s3:::{BUCKET}"})),
        ("sns:Subscribe", on("sns", "news-dev")),
        ("sqs:GetQueueUrl", on("sqs", "orders")),
        ("sqs:ReceiveMessage", on("sqs", "orders")),
        ("lambda:CreateEventSourceMapping", '"*"'),
        ("s3:GetObject", json.dumps({"Fn::Sub": f"arn:${{AWS::Partition}}:s3:::{BUCKET}/*"})),
    } <= allowed


def test_cfn_lint_finds_nothing_in_what_makes_the_triggers(own: Harness) -> None:
    found = cfn_lint(own.stack.work / "project/infra/wiring-dev.yaml", regions=["eu-central-1"])
    assert found.stdout == ""
