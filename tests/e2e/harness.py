"""What a test does with a deployed stage: send, look, wait for a condition, break one thing and put it back."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import requests

from chalicelib.adapters.messages import MessageTable
from ops.deploy import chalice_state
from ops.generate.render import API_STAGE
from ops.local.stack import LocalStack
from tests import signed
from tests.contracts import error_fits, fits

Found = TypeVar("Found")

PATIENCE = 60.0
"""Seconds after which something that should happen hasn't: a bound against hanging, not a measure."""

LOG_PAGE = 10_000
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html"""


def wait_for(look: Callable[[], Found | None], what: str, seconds: float = PATIENCE, pause: float = 0.05) -> Found:
    """What ``look`` finds, as soon as it finds something."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"within {seconds} s there was no {what}")
        time.sleep(pause)
    return found


def marker() -> str:
    """A word that is in no other test's message."""
    return f"marker-{uuid.uuid4().hex[:12]}"


class Harness:
    """A deployed stage, seen from outside."""

    def __init__(self, stack: LocalStack, urls: dict[str, str], stage: str = "local") -> None:
        self.stack = stack
        self.urls = urls
        self.config = stack.config(stage)
        self.stage = self.config.stage
        self.account = stack.account
        self._web = stack.ports.web_url

    # What a visitor does.

    def post_form(self, path: str = "/contact", **fields: str) -> requests.Response:
        return requests.post(self.urls["api"] + path, data=fields, allow_redirects=False, timeout=PATIENCE)

    def post_json(self, body: object, path: str = "/contact") -> requests.Response:
        return requests.post(self.urls["api"] + path, json=body, timeout=PATIENCE)

    def get(self, path: str, **headers: str) -> requests.Response:
        return requests.get(self.urls["api"] + path, headers=headers, timeout=PATIENCE)

    def send_event(self, mode: str = "") -> requests.Response:
        return requests.get(self.urls["send_event"], params={"mode": mode} if mode else None, timeout=PATIENCE)

    # What the owner and the provider see.

    def pushes(self, word: str) -> list[dict[str, Any]]:
        """What the phone shows with this word in it."""
        shown = requests.get(f"{self._web}/phone/messages.json", timeout=PATIENCE).json()
        return [push for push in shown if word in push["message"]]

    def mails(self, word: str) -> list[dict[str, Any]]:
        """What SES took with this word in its plain part."""
        listed = signed.get(self.stack.ports.aws_url, "/_ministack/ses/messages")
        return [mail for mails in listed["messages"].values() for mail in mails if word in mail["BodyText"]]

    def faults(self, *faults: dict[str, Any], seed: int = 0, quota: int | None = None) -> None:
        """Make the provider fail, in this order; ``seed`` is for those that fail by chance, ``quota`` a new one."""
        more = {} if quota is None else {"quota": quota}
        requests.put(
            f"{self._web}/pushover/_control", json={"faults": list(faults), "seed": seed, **more}, timeout=PATIENCE
        ).raise_for_status()

    def provider(self) -> dict[str, Any]:
        """What the provider counted."""
        counts: dict[str, Any] = requests.get(f"{self._web}/pushover/_control", timeout=PATIENCE).json()
        return counts

    def provider_requests(self) -> int:
        """How many messages the provider was asked to deliver."""
        return int(self.provider()["requests"])

    def hooks(self, word: str) -> list[dict[str, Any]]:
        """What receivers of webhooks took with this word in it, escaped or not."""
        found = requests.get(f"{self._web}/webhooks/messages.json", timeout=PATIENCE).json()
        return [hook for hook in found if word in json.dumps(hook["body"]).replace("\\", "")]

    def hook_faults(self, *faults: dict[str, Any]) -> None:
        """Make the receivers of webhooks fail, in this order."""
        requests.put(
            f"{self._web}/webhooks/_control", json={"faults": list(faults)}, timeout=PATIENCE
        ).raise_for_status()

    def hook_requests(self) -> int:
        """How many requests the receivers of webhooks had."""
        return int(requests.get(f"{self._web}/webhooks/_control", timeout=PATIENCE).json()["requests"])

    @contextmanager
    def mail_stand_in(self) -> Iterator[None]:
        """Let every mail go to the stand-in that fails on command, instead of the local AWS's SES."""
        with self.led_to("notify_email", "SESV2", self._web):
            yield

    def taken_mails(self) -> list[dict[str, Any]]:
        """What that stand-in accepted."""
        found: list[dict[str, Any]] = requests.get(f"{self._web}/ses/messages.json", timeout=PATIENCE).json()
        return found

    def control(self, stand_in: str, *faults: dict[str, Any], seed: int = 0) -> None:
        """Make ``pushover``, ``ses`` or ``webhooks`` fail, in this order or by chance."""
        requests.put(
            f"{self._web}/{stand_in}/_control", json={"faults": list(faults), "seed": seed}, timeout=PATIENCE
        ).raise_for_status()

    def counted(self, stand_in: str) -> dict[str, Any]:
        """What ``pushover``, ``ses`` or ``webhooks`` counted."""
        counts: dict[str, Any] = requests.get(f"{self._web}/{stand_in}/_control", timeout=PATIENCE).json()
        return counts

    def clear(self) -> None:
        requests.delete(f"{self._web}/phone/messages.json", timeout=PATIENCE).raise_for_status()
        requests.delete(f"{self._web}/pushover/_control", timeout=PATIENCE).raise_for_status()
        requests.delete(f"{self._web}/webhooks/_control", timeout=PATIENCE).raise_for_status()
        requests.delete(f"{self._web}/ses/_control", timeout=PATIENCE).raise_for_status()

    # What the account holds.

    def item(self, message_id: str) -> dict[str, Any]:
        """The message's record; empty where there is none."""
        answer = self.account.dynamodb.get_item(TableName=self.stage.table, Key={"id": {"S": message_id}})
        return dict(answer.get("Item", {}))

    def published(self, message_id: str) -> str:
        """A stored message as it would be published again; raises AssertionError where there is none."""
        found = MessageTable(self.account.dynamodb, self.stage).find(message_id)
        assert found, f"{message_id} is not stored"
        return found[0].serialize()

    def items(self) -> list[dict[str, Any]]:
        """All that the table holds; other tests leave more there than one answer has room for."""
        pages = self.account.dynamodb.get_paginator("scan").paginate(TableName=self.stage.table)
        return [dict(item) for page in pages for item in page["Items"]]

    def delivery(self, message_id: str, channel: str = "pushover") -> dict[str, Any]:
        """One channel's state in the record, as plain values."""
        found = self.item(message_id).get("deliveries", {}).get("M", {}).get(channel, {}).get("M", {})
        return {name: next(iter(value.values())) for name, value in found.items()}

    def lines(self, function: str) -> Iterator[dict[str, Any]]:
        """Every structured log line of a function."""
        for text in self.texts(function):
            try:
                entry = json.loads(text)
            except ValueError:
                continue
            # A metric is a line too, but says nothing that the others don't.
            if isinstance(entry, dict) and "_aws" not in entry:
                yield entry

    def texts(self, function: str, since: float = 0) -> list[str]:
        """Everything that a function wrote, from a second since the epoch on."""
        return self.texts_of(f"/aws/lambda/{self.stage.function(function)}", since)

    def texts_of(self, group: str, since: float = 0) -> list[str]:
        """Everything in a log group; nothing where it was deleted and nobody has written since.

        Of more than there are in a page the local AWS gives no token.
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
            # Of the last moment there may be more.
            start = events[-1]["timestamp"]
            texts += [event["message"] for event in events if event["timestamp"] < start]

    def line(self, function: str, **fields: object) -> dict[str, Any]:
        """The function's log line with these fields, as soon as it is there."""
        return wait_for(
            lambda: next(
                (e for e in self.lines(function) if all(e.get(name) == value for name, value in fields.items())), None
            ),
            f"log line of {function} with {fields}",
        )

    def metric(self, function: str, name: str) -> float:
        """The sum of one of Lambda's own metrics over the last hour."""
        return self.metric_of("AWS/Lambda", name, FunctionName=self.stage.function(function))

    def metric_of(self, namespace: str, name: str, **dimensions: str) -> float:
        """The sum of a metric over the last hour."""
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

    def let_time_pass(self, message_id: str) -> None:
        """Let the message be due now, and so each of its channels: those that have ended don't care."""
        due = [f"deliveries.{name}.next_attempt_at" for name in self.item(message_id)["deliveries"]["M"]]
        self.account.dynamodb.update_item(
            TableName=self.stage.table,
            Key={"id": {"S": message_id}},
            UpdateExpression="SET " + ", ".join(f"{each} = :past" for each in ("due_at", *due)),
            ExpressionAttributeValues={":past": {"N": str(int(time.time()) - 1)}},
        )

    def forget_what_is_due(self) -> None:
        """Let the scheduled retry find nothing of what earlier tests have left."""
        pages = self.account.dynamodb.get_paginator("scan").paginate(TableName=self.stage.table)
        for item in (item for page in pages for item in page["Items"] if "due" in item):
            self.account.dynamodb.update_item(
                TableName=self.stage.table, Key={"id": item["id"]}, UpdateExpression="REMOVE due, due_at"
            )

    def retried(self, message_id: str) -> dict[str, Any]:
        """The event by which the scheduled retry has a message tried again."""
        attributes = {"kind": "retry", "site": "default"}
        sns = {
            "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
            "Subject": None,
            "Message": message_id,
            "MessageAttributes": {name: {"Type": "String", "Value": value} for name, value in attributes.items()},
        }
        return {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": sns}]}

    def scheduled(self) -> dict[str, Any]:
        """What a schedule runs a function with:
        https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-run-lambda-schedule.html"""
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

    def dead_letter(self, queue: str) -> str:
        """Take the next letter out of a queue, as soon as one is there."""
        sqs = self.account.client("sqs")
        url = sqs.get_queue_url(QueueName=f"herald-{self.stage.name}-{queue}")["QueueUrl"]
        letter = wait_for(
            lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"), f"letter in {queue}"
        )[0]
        sqs.delete_message(QueueUrl=url, ReceiptHandle=letter["ReceiptHandle"])
        body: str = letter["Body"]
        return body

    def empty(self, queue: str) -> None:
        """Take every letter out of a queue, also those that somebody has looked at and not put back."""
        sqs = self.account.client("sqs")
        sqs.purge_queue(QueueUrl=sqs.get_queue_url(QueueName=f"herald-{self.stage.name}-{queue}")["QueueUrl"])

    def invoke(self, function: str, event: dict[str, Any]) -> Any:
        """What a function answers; it must not fail."""
        answer = self.account.functions.invoke(
            FunctionName=self.stage.function(function), Payload=json.dumps(event).encode()
        )
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload

    def ask(self, function: str, request: object) -> tuple[Any, str]:
        """What a pure function answers, and the class of its error if it failed: each as its contract says."""
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
        """The environment of a program of the account whose role may do what the statements say, and nothing else."""
        iam, account = self.account.client("iam"), self.account.where
        name = f"program-{uuid.uuid4().hex[:8]}"
        principal = {"AWS": f"arn:aws:iam::{account.account}:root"}
        assumed = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [assumed]})
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
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

    def publish(self, message: str, site: str = "default") -> None:
        """Put a message on the topic, as the API function does."""
        self.account.sns.publish(
            TopicArn=self.account.where.arn("sns", self.stage.topic),
            Message=message,
            MessageAttributes={
                "site": {"DataType": "String", "StringValue": site},
                "kind": {"DataType": "String", "StringValue": "contact"},
            },
        )

    # Breaking one thing.

    def restart(self, function: str) -> None:
        """Let the function's next run be a cold one: a change of its environment does that."""
        self._change_environment(function, RESTARTED=str(time.time_ns()))

    def kill(self, function: str) -> None:
        """Kill every process in which the function runs, as a lost machine would. They are this stack's alone."""
        name = self.stage.function(function)
        folder = rf"{re.escape(str(self.stack.work))}/tmp/[^/]+/ministack-lambda-{re.escape(name)}-\w{{8}}/"  # noqa: S108
        command = ["ps", "-axww", "-o", "pid=,args="]
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found = re.findall(rf"^\s*(\d+) .*{folder}", listed, re.MULTILINE)
        assert found, f"{name} runs in no process"
        for pid in found:
            os.kill(int(pid), signal.SIGKILL)

    @contextmanager
    def led_to(self, function: str, service: str, url: str) -> Iterator[None]:
        """Let a function find one service of AWS elsewhere, as the SDKs' own variables can:
        https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html"""
        before = self._change_environment(function, **{f"AWS_ENDPOINT_URL_{service}": url})
        try:
            yield
        finally:
            self._set_environment(function, before)

    def _change_environment(self, function: str, **changed: str) -> dict[str, str]:
        """Returns what it was before."""
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
        """Let each function run at most so often side by side. Lambda keeps what is throttled and runs it later."""
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
        """Let the API take fewer requests a second than it is configured to."""
        self._throttle(rate, burst)
        try:
            yield
        finally:
            self._throttle(self.config.rate, self.config.burst)
            # Each method has room of its own, and asking takes from it: it is given time to grow between two times.
            wait_for(lambda: all(map(self._has_room, range(5))), "room for whoever comes next", pause=1)

    def _has_room(self, _: int) -> bool:
        asked = (self.get("/health"), self.post_json({}))  # The form without a message: nothing is taken of it.
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
        """Take one statement out of a function's policy, and put it back."""
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
        """Take one permission away from a function, and put it back."""
        lambda_ = self.account.functions
        name = self.stage.function(function)
        lambda_.remove_permission(FunctionName=name, StatementId=statement["Sid"])
        try:
            yield
        finally:
            condition = {key.lower(): value for key, value in statement["Condition"]["ArnLike"].items()}
            lambda_.add_permission(
                FunctionName=name,
                StatementId=statement["Sid"],
                Action=statement["Action"],
                Principal=statement["Principal"]["Service"],
                SourceArn=condition["aws:sourcearn"],
            )

    def permissions(self, function: str) -> list[dict[str, Any]]:
        """The statements of a function's resource policy."""
        policy = self.account.functions.get_policy(FunctionName=self.stage.function(function))["Policy"]
        statements: list[dict[str, Any]] = json.loads(policy)["Statement"]
        return statements


def processes_with(variable: str) -> list[int]:
    """The processes whose environment holds this, from Linux's own list; none where there is no such list."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if variable.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
