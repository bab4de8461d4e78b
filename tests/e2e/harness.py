"""Use a deployed stage in a test: send, inspect, wait for a condition, break one thing and restore it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import requests

from chalicelib.adapters.message_table import MessageTable
from chalicelib.adapters.stored_messages import MessageArchive
from chalicelib.logic.stored_messages import LATEST, ListedMessage, Wanted
from ops.deploy import chalice_state
from ops.generate.render import API_STAGE
from ops.local.stack import LocalStack
from tests import signed
from tests.contracts import error_fits, fits
from tests.e2e import owner

Found = TypeVar("Found")

PATIENCE = 60.0
"""The default time-out in seconds: only against hanging, not a performance limit."""

LOG_PAGE = 10_000
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html"""


def wait_for(look: Callable[[], Found | None], what: str, seconds: float = PATIENCE, pause: float = 0.05) -> Found:
    """Call ``look`` until it returns something true, and return that. Raises AssertionError after ``seconds``.

    The pauses grow, as each look takes time from what is waited for.
    """
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"within {seconds} s there was no {what}")
        time.sleep(pause)
        pause = max(pause, min(pause * 1.3, 0.5))
    return found


def marker() -> str:
    """Return a unique word, to recognise this test's message by."""
    return f"marker-{uuid.uuid4().hex[:12]}"


class Harness:
    """A deployed stage, used through its public interfaces and the account."""

    def __init__(self, stack: LocalStack, urls: dict[str, str], stage: str = "local") -> None:
        self.stack = stack
        self.urls = urls
        self.config = stack.config(stage)
        self.stage = self.config.stage
        self.account = stack.account
        self._web = stack.ports.web_url
        self._since = 0.0

    # What a visitor does.

    def post_form(self, path: str = "/contact", **fields: str) -> requests.Response:
        return requests.post(self.urls["api"] + path, data=fields, allow_redirects=False, timeout=PATIENCE)

    def post_json(self, body: object, path: str = "/contact") -> requests.Response:
        return requests.post(self.urls["api"] + path, json=body, timeout=PATIENCE)

    def accepted(self, message: str, path: str = "/contact", **fields: str) -> str:
        """Send a message, and return its id."""
        answer = self.post_json({"message": message, **fields}, path)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def let_in(
        self, message: str, path: str = "/contact", headers: Mapping[str, str] | None = None, **fields: str
    ) -> str:
        """Send a message as soon as the gateway's throttle lets it in, and return its id."""

        def place() -> requests.Response | None:
            body = {"message": message, **fields}
            answer = requests.post(self.urls["api"] + path, json=body, headers=headers, timeout=PATIENCE)
            assert answer.status_code in (202, 429), answer.text
            return answer if answer.ok else None

        return str(wait_for(place, "free place", 120, pause=0.2).json()["id"])

    def get(self, path: str, **headers: str) -> requests.Response:
        return requests.get(self.urls["api"] + path, headers=headers, timeout=PATIENCE)

    def send_event(self, mode: str = "") -> requests.Response:
        return requests.get(self.urls["send_event"], params={"mode": mode} if mode else None, timeout=PATIENCE)

    # What the owner and the provider see.

    def pushes(self, word: str) -> list[dict[str, Any]]:
        """Return the pushes on the phone whose message contains the word."""
        shown = requests.get(f"{self._web}/phone/messages.json", timeout=PATIENCE).json()
        return [push for push in shown if word in push["message"]]

    def mails(self, word: str) -> list[dict[str, Any]]:
        """Return the mails in the local AWS's SES whose plain text contains the word."""
        listed = signed.get(self.stack.ports.aws_url, "/_ministack/ses/messages")
        return [mail for mails in listed["messages"].values() for mail in mails if word in mail["BodyText"]]

    def faults(self, *faults: dict[str, Any], quota: int | None = None) -> None:
        """Make Pushover fail in this order; ``quota`` sets a new one."""
        self.control("pushover", *faults, **({} if quota is None else {"quota": quota}))

    def provider_requests(self) -> int:
        """Return how many messages Pushover was asked to deliver."""
        return int(self.counted("pushover")["requests"])

    def hooks(self, word: str) -> list[dict[str, Any]]:
        """Return the accepted webhooks whose body contains the word, escaped or not."""
        found = requests.get(f"{self._web}/webhooks/messages.json", timeout=PATIENCE).json()
        return [hook for hook in found if word in json.dumps(hook["body"]).replace("\\", "")]

    def taken_by(self, kind: str, word: str) -> list[dict[str, Any]]:
        """Return what the stand-in of a declared kind accepted with the word in its body."""
        found = requests.get(f"{self._web}/providers/{kind}/messages.json", timeout=PATIENCE).json()
        return [each for each in found if word in json.dumps(each["body"])]

    def hook_faults(self, *faults: dict[str, Any]) -> None:
        """Make the webhook receivers fail in this order."""
        self.control("webhooks", *faults)

    @contextmanager
    def mail_stand_in(self) -> Iterator[None]:
        """Send every mail to the stand-in that fails on command, instead of the local AWS's SES."""
        with self.led_to("notify_email", "SESV2", self._web):
            yield

    def taken_mails(self) -> list[dict[str, Any]]:
        """Return the mails that the stand-in for SES accepted."""
        found: list[dict[str, Any]] = requests.get(f"{self._web}/ses/messages.json", timeout=PATIENCE).json()
        return found

    def control(self, stand_in: str, *faults: dict[str, Any], seed: int = 0, **more: int) -> None:
        """Make ``pushover``, ``ses`` or ``webhooks`` fail in this order. ``seed`` is for random faults."""
        wanted = {"faults": list(faults), "seed": seed, **more}
        requests.put(f"{self._web}/{stand_in}/_control", json=wanted, timeout=PATIENCE).raise_for_status()

    def counted(self, stand_in: str) -> dict[str, Any]:
        """Return the counts of ``pushover``, ``ses`` or ``webhooks``."""
        counts: dict[str, Any] = requests.get(f"{self._web}/{stand_in}/_control", timeout=PATIENCE).json()
        return counts

    def clear(self) -> None:
        for path in ("phone/messages.json", "pushover/_control", "webhooks/_control", "ses/_control"):
            requests.delete(f"{self._web}/{path}", timeout=PATIENCE).raise_for_status()

    def begin(self) -> None:
        """Clear what a test before may have left, and look at no log line of it."""
        self.clear()
        self._since = time.time() - 1

    # What the account holds.

    @property
    def bucket(self) -> str:
        """The name of the bucket with the messages' files."""
        return self.stage.files_bucket(self.account.where.region, self.account.where.account)

    def item(self, message_id: str) -> dict[str, Any]:
        """Return the message's record, or an empty dict if there is none."""
        answer = self.account.dynamodb.get_item(TableName=self.stage.table, Key={"id": {"S": message_id}})
        return dict(answer.get("Item", {}))

    def published(self, message_id: str) -> str:
        """Return a stored message as a replay would publish it. Raises AssertionError if there is none."""
        found = MessageTable(self.account.dynamodb, self.stage).find(message_id)
        assert found, f"{message_id} is not stored"
        return found[0].serialize()

    def items(self) -> list[dict[str, Any]]:
        """Return all items of the table, page by page: other tests leave more than fits in one answer."""
        pages = self.account.dynamodb.get_paginator("scan").paginate(TableName=self.stage.table)
        return [dict(item) for page in pages for item in page["Items"]]

    def listed(self, site: str, since: int) -> dict[str, ListedMessage]:
        """Return all messages of a site that came since a second, by their ids."""
        archive, found = MessageArchive(self.account.dynamodb, self.stage), dict[str, ListedMessage]()
        wanted: Wanted | None = Wanted(site, since=since)
        while wanted is not None:
            page = archive.page(wanted)
            found |= {message.id: message for message in page.messages}
            wanted = Wanted(site, since=since, after=page.next) if page.next else None
        return found

    def delivery(self, message_id: str, channel: str = "pushover") -> dict[str, Any]:
        """Return one channel's state in the record, as plain values."""
        found = self.item(message_id).get("deliveries", {}).get("M", {}).get(channel, {}).get("M", {})
        return {name: next(iter(value.values())) for name, value in found.items()}

    def lines(self, function: str, since: float | None = None) -> Iterator[dict[str, Any]]:
        """Yield every structured log line of a function, except metrics, since then or since the test began."""
        for text in self.texts(function, since):
            try:
                entry = json.loads(text)
            except ValueError:
                continue
            # Metrics are JSON lines too. No test looks for them here.
            if isinstance(entry, dict) and "_aws" not in entry:
                yield entry

    def texts(self, function: str, since: float | None = None) -> list[str]:
        """Return everything that a function wrote since a time (seconds since the epoch), or since the test began."""
        group = f"/aws/lambda/{self.stage.function(function)}"
        return self.texts_of(group, self._since if since is None else since)

    def texts_of(self, group: str, since: float = 0) -> list[str]:
        """Return everything in a log group, or nothing if the group doesn't exist.

        The local AWS returns no token for the next page, so each page starts at the time of the last line before.
        """
        texts: list[str] = []
        start = int(since * 1000)
        while True:
            try:
                events = self.account.logs.filter_log_events(logGroupName=group, startTime=start)["events"]
            except self.account.logs.exceptions.ResourceNotFoundException:
                return texts
            if len(events) < LOG_PAGE:
                return texts + [event["message"] for event in events]
            # There may be more lines with the last timestamp, so they are read again.
            start = events[-1]["timestamp"]
            texts += [event["message"] for event in events if event["timestamp"] < start]

    def line(self, function: str, **fields: object) -> dict[str, Any]:
        """Wait for a log line of the function with these fields, and return it."""
        return wait_for(
            lambda: next(
                (e for e in self.lines(function) if all(e.get(name) == value for name, value in fields.items())), None
            ),
            f"log line of {function} with {fields}",
        )

    def metric(self, function: str, name: str) -> float:
        """Return the sum of one of Lambda's own metrics over the last hour."""
        return self.metric_of("AWS/Lambda", name, FunctionName=self.stage.function(function))

    def metric_of(self, namespace: str, name: str, **dimensions: str) -> float:
        """Return the sum of a metric over the last hour."""
        now = time.time()
        points = self.account.client("cloudwatch").get_metric_statistics(
            Namespace=namespace,
            MetricName=name,
            Dimensions=[{"Name": dimension, "Value": value} for dimension, value in dimensions.items()],
            StartTime=now - 3600,
            EndTime=now + 60,
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(point["Sum"] for point in points))

    def change(self, key: str, values: dict[str, int | str]) -> None:
        """Set attributes of an item, by their paths, such as ``deliveries.pushover.state``."""
        names = {f"#{part}": part for path in values for part in path.split(".")}
        paths = {f":value{number}": path for number, path in enumerate(values)}
        self.account.dynamodb.update_item(
            TableName=self.stage.table,
            Key={"id": {"S": key}},
            UpdateExpression="SET "
            + ", ".join(f"#{path.replace('.', '.#')} = {value}" for value, path in paths.items()),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues={
                value: {"N" if isinstance(values[path], int) else "S": str(values[path])}
                for value, path in paths.items()
            },
        )

    def forget(self, key: str) -> None:
        """Delete an item."""
        self.account.dynamodb.delete_item(TableName=self.stage.table, Key={"id": {"S": key}})

    def let_time_pass(self, message_id: str) -> None:
        """Make the message and all its channels due now. This doesn't change channels that have ended."""
        due = [f"deliveries.{name}.next_attempt_at" for name in self.item(message_id)["deliveries"]["M"]]
        self.change(message_id, dict.fromkeys(("due_at", *due), int(time.time()) - 1))

    def run_retry_due(self) -> None:
        """Run the scheduled retry, as its schedule does."""
        self.invoke("retry_due", self.scheduled())

    def let_pass(self, seconds: int, *keys: str, claims: bool = True) -> None:
        """Move all that waits for a time that much nearer: of all due messages, and of these items. Then ``retry_due``
        is queued, as by its schedule. Without ``claims`` those of runs that may be under way are left alone.

        What a warm process remembers stays as it was, and what changes meanwhile has its turn the next time.
        """
        due = MessageTable(self.account.dynamodb, self.stage).find_due(LATEST, 10_000)
        for key in {*keys, *(each.id for each in due)}:
            times = list(_times(self.item(key), claims=claims))
            paths = [".".join(f"#{part}" for part in path) for path, _ in times]
            before = {f":before{number}": {"N": str(at)} for number, (_, at) in enumerate(times)}
            after = {f":after{number}": {"N": str(at - seconds)} for number, (_, at) in enumerate(times)}
            if times:
                with suppress(self.account.dynamodb.exceptions.ConditionalCheckFailedException):
                    self.account.dynamodb.update_item(
                        TableName=self.stage.table,
                        Key={"id": {"S": key}},
                        UpdateExpression="SET " + ", ".join(map("{} = {}".format, paths, after)),
                        ConditionExpression=" AND ".join(map("{} = {}".format, paths, before)),
                        ExpressionAttributeNames={f"#{part}": part for path, _ in times for part in path},
                        ExpressionAttributeValues=before | after,
                    )
        self.account.functions.invoke(
            FunctionName=self.stage.function("retry_due"),
            InvocationType="Event",
            Payload=json.dumps(self.scheduled()).encode(),
        )

    def forget_what_is_due(self) -> None:
        """Make no message due, so that the scheduled retry ignores what earlier tests left."""
        for item in (item for item in self.items() if "due" in item):
            self.account.dynamodb.update_item(
                TableName=self.stage.table, Key={"id": item["id"]}, UpdateExpression="REMOVE due, due_at"
            )

    def retried(self, message: str, kind: str = "retry") -> dict[str, Any]:
        """Return the SNS event by which the scheduled retry makes ``destined`` try a message again, by its id.

        https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
        """
        attributes = {"kind": kind, "site": "default"}
        sns = {
            "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
            "Subject": None,
            "Message": message,
            "MessageAttributes": {name: {"Type": "String", "Value": value} for name, value in attributes.items()},
        }
        return {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": sns}]}

    def scheduled(self) -> dict[str, Any]:
        """Return the event that a schedule passes to a function.

        https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-run-lambda-schedule.html
        """
        return {
            "version": "0",
            "id": "89d1a02d-5ec7-412e-82f5-13505f849b41",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": self.account.where.account,
            "time": "2026-01-01T00:00:00Z",
            "region": self.account.where.region,
            "resources": [],
            "detail": {},
        }

    def dead_letter(self, queue: str, holding: str = "") -> str:
        """Wait for a dead letter that holds a text, remove it, and return its body.

        Letters without the text are another test's that came late; they are removed too.
        """
        sqs, url = self.account.client("sqs"), self.queue_url(queue)

        def take() -> str:
            for letter in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", ()):
                sqs.delete_message(QueueUrl=url, ReceiptHandle=letter["ReceiptHandle"])
                if holding in letter["Body"]:
                    return str(letter["Body"])
            return ""

        return wait_for(take, f"letter in {queue}")

    def empty(self, queue: str) -> None:
        """Delete all dead letters in a queue, including those that are in flight."""
        self.account.client("sqs").purge_queue(QueueUrl=self.queue_url(queue))

    def letters(self, queue: str, *counts: str) -> int:
        """Return how many dead letters a queue holds: seen and hidden ones, unless the counts are named."""
        names = list(counts or ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"))
        url, sqs = self.queue_url(queue), self.account.client("sqs")
        return sum(map(int, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values()))

    def queue_url(self, queue: str) -> str:
        """Return the address of one of Herald's queues."""
        name = f"herald-{self.stage.name}-{queue}"
        return str(self.account.client("sqs").get_queue_url(QueueName=name)["QueueUrl"])

    def invoke(self, function: str, event: dict[str, Any]) -> Any:
        """Invoke a function and return its answer. Fail if it raises an error."""
        answer = self.account.functions.invoke(
            FunctionName=self.stage.function(function), Payload=json.dumps(event).encode()
        )
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload

    def ask(self, function: str, request: object) -> tuple[Any, str]:
        """Invoke a pure function. Return its answer and "", or its error and the error's class.

        Fail unless the result matches the function's contract.
        """
        answer = self.account.functions.invoke(
            FunctionName=self.stage.function(function), Payload=json.dumps(request).encode()
        )
        payload = json.loads(answer["Payload"].read())
        contract = "notify" if function.startswith("notify_") else function
        if "FunctionError" not in answer:
            fits(contract, "answer", payload)
            return payload, ""
        error_fits(contract, payload["errorType"], payload["errorMessage"])
        return json.loads(payload["errorMessage"]), payload["errorType"]

    @contextmanager
    def program(self, *statements: dict[str, Any]) -> Iterator[dict[str, str]]:
        """Create a role with exactly these statements. Yield the environment of a program that assumed it."""
        iam, account = self.account.client("iam"), self.account.where
        name = f"program-{uuid.uuid4().hex[:8]}"
        role = owner.add_role(self.account, name, {"AWS": f"arn:aws:iam::{account.account}:root"})
        if statements:
            policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            iam.put_role_policy(RoleName=name, PolicyName="granted", PolicyDocument=policy)
        try:
            keys = self.account.sts.assume_role(RoleArn=role, RoleSessionName=name)["Credentials"]
            yield {
                "AWS_ENDPOINT_URL": self.stack.ports.aws_url,
                "AWS_REGION": account.region,
                "AWS_DEFAULT_REGION": account.region,
                "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
                "AWS_SESSION_TOKEN": keys["SessionToken"],
            }
        finally:
            if statements:
                iam.delete_role_policy(RoleName=name, PolicyName="granted")
            iam.delete_role(RoleName=name)

    def publish(self, message: str, site: str = "default") -> str:
        """Publish a message to the topic, as the API function does; returns the id that SNS gave it."""
        answer = self.account.sns.publish(
            TopicArn=self.account.where.arn("sns", self.stage.topic),
            Message=message,
            MessageAttributes={
                "site": {"DataType": "String", "StringValue": site},
                "kind": {"DataType": "String", "StringValue": "contact"},
            },
        )
        return answer["MessageId"]

    # Breaking one thing.

    def restart(self, function: str) -> None:
        """Make the function's next run a cold start, by changing its environment."""
        self._change_environment(function, RESTARTED=str(time.time_ns()))

    def kill(self, function: str) -> None:
        """Kill every process that runs the function in this stack, as if the machine were lost."""
        for pid in wait_for(lambda: self.processes(function), f"process that runs {function}"):
            os.kill(pid, signal.SIGKILL)

    def processes(self, function: str) -> list[int]:
        """Return the processes that run the function in this stack."""
        name = re.escape(self.stage.function(function))
        folder = rf"{re.escape(str(self.stack.work))}/tmp/[^/]+/ministack-lambda-{name}-\w{{8}}/"  # noqa: S108
        command = ["ps", "-axww", "-o", "pid=,args="]
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return [int(pid) for pid in re.findall(rf"^\s*(\d+) .*{folder}", listed, re.MULTILINE)]

    @contextmanager
    def led_to(self, function: str, service: str, url: str) -> Iterator[None]:
        """Point a function at another address for one AWS service, by the SDKs' own variable.

        https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
        """
        before = self._change_environment(function, **{f"AWS_ENDPOINT_URL_{service}": url})
        try:
            yield
        finally:
            self._set_environment(function, before)

    def _change_environment(self, function: str, **changed: str) -> dict[str, str]:
        """Change some variables of a function's environment. Return all variables as they were before."""
        name = self.stage.function(function)
        found = self.account.functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        self._set_environment(function, {**found, **changed})
        return found

    def _set_environment(self, function: str, variables: dict[str, str]) -> None:
        self.account.functions.update_function_configuration(
            FunctionName=self.stage.function(function), Environment={"Variables": variables}
        )

    @contextmanager
    def reserved(self, most: int, *functions: str) -> Iterator[None]:
        """Limit the concurrency of each function. Lambda keeps throttled asynchronous events and runs them later."""
        client = self.account.functions
        names = [self.stage.function(function) for function in functions]
        before = {
            name: client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
            for name in names
        }
        for name in names:
            client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=most)
        try:
            yield
        finally:
            for name, found in before.items():
                if found is None:
                    client.delete_function_concurrency(FunctionName=name)
                else:
                    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=found)

    @contextmanager
    def throttled(self, rate: int, burst: int) -> Iterator[None]:
        """Lower the API's throttle below its configured limits."""
        self._throttle(rate, burst)
        try:
            yield
        finally:
            self._throttle(self.config.rate, self.config.burst)
            # Each method has its own token bucket, and each check takes a token. The pause lets the buckets refill.
            wait_for(lambda: all(map(self._has_room, range(5))), "room for whoever comes next", pause=1)

    def _has_room(self, _: int) -> bool:
        asked = (self.get("/health"), self.post_json({}))  # The form has no message, so nothing is accepted.
        return all(answer.status_code != 429 for answer in asked)

    def _throttle(self, rate: int, burst: int) -> None:
        api = chalice_state.rest_api_id(chalice_state.read(self.account.ssm, self.stage))
        assert api is not None
        self.account.apis.update_stage(
            restApiId=api,
            stageName=API_STAGE,
            patchOperations=[
                {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": str(rate)},
                {"op": "replace", "path": "/*/*/throttling/burstLimit", "value": str(burst)},
            ],
        )

    @contextmanager
    def without_statement(self, function: str, sid: str) -> Iterator[None]:
        """Remove one statement from a function's policy, and restore it at the end."""
        iam = self.account.client("iam")
        role = self.account.functions.get_function_configuration(FunctionName=self.stage.function(function))["Role"]
        role = role.rpartition("/")[2]
        name = iam.list_role_policies(RoleName=role)["PolicyNames"][0]
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        rest = [statement for statement in document["Statement"] if statement["Sid"] != sid]
        assert len(rest) == len(document["Statement"]) - 1, f"{function} has no statement {sid}"
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps({**document, "Statement": rest}))
        try:
            yield
        finally:
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))

    @contextmanager
    def without_permission(self, function: str, statement: dict[str, Any]) -> Iterator[None]:
        """Remove one permission of a function, and restore it at the end."""
        lambda_ = self.account.functions
        name = self.stage.function(function)
        lambda_.remove_permission(FunctionName=name, StatementId=statement["Sid"])
        try:
            yield
        finally:
            ((key, value),) = (pair for each in statement["Condition"].values() for pair in each.items())
            only: dict[str, Any] = {
                "aws:sourcearn": {"SourceArn": value},
                "lambda:functionurlauthtype": {"FunctionUrlAuthType": value},
                "lambda:invokedviafunctionurl": {"InvokedViaFunctionUrl": True},
            }[key.lower()]
            lambda_.add_permission(
                FunctionName=name,
                StatementId=statement["Sid"],
                Action=statement["Action"],
                Principal=who(statement),
                **only,
            )

    def permissions(self, function: str) -> list[dict[str, Any]]:
        """Return the statements of a function's resource policy."""
        policy = self.account.functions.get_policy(FunctionName=self.stage.function(function))["Policy"]
        statements: list[dict[str, Any]] = json.loads(policy)["Statement"]
        return statements


def who(statement: dict[str, Any]) -> str:
    """Return whom a function's policy lets in: a service, or ``*`` for everybody."""
    principal = statement["Principal"]
    return str(principal if isinstance(principal, str) else principal.get("Service") or principal["AWS"])


def _times(item: dict[str, Any], *, claims: bool) -> Iterator[tuple[tuple[str, ...], int]]:
    """An item's times and their paths: all of a budget or summary; of a message those that something waits for."""
    deliveries = item.get("deliveries", {}).get("M")
    wanted = item if deliveries is None else {"due_at": item.get("due_at", {})}
    of_claim = () if claims else ("taken_until",)
    yield from (((name,), _time(value)) for name, value in wanted.items() if _time(value) and name not in of_claim)
    for channel, delivery in (deliveries or {}).items():
        if claims or delivery["M"]["state"]["S"] != "sending":
            found = delivery["M"].items()
            yield from ((("deliveries", channel, name), _time(value)) for name, value in found if _time(value))


def _time(value: dict[str, Any]) -> int:
    """Seconds since the epoch; 0 for what is no time."""
    number = int(value.get("N", 0))
    return number if number > 1_000_000_000 else 0


def processes_with(variable: str) -> list[int]:
    """Return the processes whose environment contains this variable, from /proc; none where there is no /proc."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if variable.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
