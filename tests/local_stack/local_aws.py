"""A running local AWS, and short ways to put things into it."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config

from ops.loopback import credentials

ROOT = Path(__file__).parents[2]
SAMPLES = Path(__file__).with_name("samples")
REGION = "us-east-1"
ACCOUNT = "000000000000"
PATIENCE = 60.0
"""Seconds after which something that should happen hasn't: a bound against hanging, not a measure."""

Found = TypeVar("Found")


def allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    """A policy's statement, perhaps with a ``Condition`` or ``Principal``."""
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def policy(*statements: dict[str, Any]) -> str:
    """A policy's document."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


LOGS = allow(["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"])


def sample(name: str) -> Any:
    """An example of AWS's documentation, without the notes of where it is from."""
    content = json.loads((SAMPLES / f"{name}.json").read_text())
    assert content["_source"]
    return {key: value for key, value in content.items() if key not in ("_source", "_note")}


def shape(value: Any) -> Any:
    """The keys and types of a document."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in sorted(value.items())}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return type(value).__name__


def wait_for(look: Callable[[], Found | None], seconds: float = PATIENCE) -> Found:
    """What ``look`` finds, as soon as it finds something."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"nothing came within {seconds} s")
        time.sleep(0.02)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(port: int, tmp: Path, *options: str, **environment: str) -> subprocess.Popen[str]:
    """Start a local AWS that ends with this process, and wait until it says that it is ready."""
    tmp.mkdir(parents=True, exist_ok=True)
    with (tmp / "local-aws.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ops.local.aws", "--port", str(port), "--until-stdin-closes", *options],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(tmp), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout
    line = process.stdout.readline()
    if "is ready" not in line:
        raise AssertionError(f"not ready: {line} {(tmp / 'local-aws.log').read_text()}")
    return process


def stop(process: subprocess.Popen[str]) -> None:
    """Stop it and wait until it is gone."""
    process.terminate()
    process.wait(PATIENCE)
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()


def packed(source: str) -> bytes:
    """The zip of a function whose ``handler`` is in ``source``."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("main.py", source)
    return content.getvalue()


class LocalAws:
    """Clients of a running local AWS, as the account's root."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self._session: Any = boto3.session.Session()
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """The client of a service."""
        if service not in self._clients:
            self._clients[service] = self._session.client(
                service,
                region_name=REGION,
                endpoint_url=self.endpoint,
                **{name.lower(): value for name, value in credentials.keys(self.endpoint).items()},
                config=Config(retries={"total_max_attempts": 1}),
            )
        return self._clients[service]

    def role(self, *statements: dict[str, Any], trusts: str = "lambda.amazonaws.com") -> str:
        """A new role's ARN."""
        name = f"role-{uuid.uuid4().hex[:8]}"
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": trusts}}
        arn: str = self.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
        if statements:
            self.let(name, *statements)
        return arn

    def let(self, role: str, *statements: dict[str, Any]) -> None:
        """Let a role do exactly what the statements say."""
        self.client("iam").put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=policy(*statements))

    def role_of(self, function: str) -> str:
        """The name of a function's role."""
        role: str = self.client("lambda").get_function_configuration(FunctionName=function)["Role"]
        return role.rpartition("/")[2]

    def function(self, source: str, *statements: dict[str, Any], **settings: Any) -> str:
        """A new function's ARN. ``source`` defines ``handler``; its role may log and what ``statements`` say."""
        settings.setdefault("Role", self.role(LOGS, *statements))
        arn: str = self.client("lambda").create_function(
            FunctionName=f"fn-{uuid.uuid4().hex[:8]}",
            Runtime="python3.13",
            Handler="main.handler",
            Code={"ZipFile": packed(source)},
            **settings,
        )["FunctionArn"]
        return arn

    def queue(self, lets_in: str | None = None) -> tuple[str, str]:
        """A new queue's URL and ARN; ``lets_in`` names a service that may send to it."""
        sqs = self.client("sqs")
        name = f"q-{uuid.uuid4().hex[:8]}"
        url: str = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        if lets_in:
            attributes = {"Policy": policy(allow("sqs:SendMessage", arn, Principal={"Service": lets_in}))}
            sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
        return url, arn

    def reporting(self, source: str, *outcomes: str, **settings: Any) -> tuple[str, str]:
        """A new function's ARN, and the queue that gets these outcomes of its events: ``success``, ``failure``."""
        url, queue = self.queue()
        function = self.function(source, allow("sqs:SendMessage", queue))
        self.destinations(function, **dict.fromkeys(outcomes, queue), **settings)
        return function, url

    def message(self, queue_url: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """The next message of the queue, with its attributes."""

        def look() -> dict[str, Any] | None:
            answer = self.client("sqs").receive_message(QueueUrl=queue_url, MessageAttributeNames=["All"])
            found: list[dict[str, Any]] = answer.get("Messages", [])
            return found[0] if found else None

        return wait_for(look, seconds)

    def body(self, queue_url: str, seconds: float = PATIENCE) -> Any:
        """The body of the queue's next message, parsed."""
        return json.loads(self.message(queue_url, seconds)["Body"])

    def is_empty(self, queue_url: str) -> bool:
        """Whether nothing is in the queue now."""
        return not self.client("sqs").receive_message(QueueUrl=queue_url).get("Messages")

    def bus(self) -> tuple[str, str]:
        """A new event bus's name and ARN."""
        name = f"bus-{uuid.uuid4().hex[:8]}"
        return name, self.client("events").create_event_bus(Name=name)["EventBusArn"]

    def heard(self, pattern: dict[str, Any]) -> tuple[str, str]:
        """A new event bus's ARN, and the queue that gets its events of this pattern."""
        name, bus = self.bus()
        url, queue = self.queue(lets_in="events.amazonaws.com")
        self.rule(name, queue, pattern)
        return bus, url

    def rule(self, bus: str, target: str, pattern: dict[str, Any], **settings: Any) -> str:
        """A new rule's ARN, with one target."""
        name = f"rule-{uuid.uuid4().hex[:8]}"
        events = self.client("events")
        answer = events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "t", "Arn": target, **settings}])
        arn: str = answer["RuleArn"]
        return arn

    def topic(self, function: str | None = None, permit: bool = True, **attributes: str) -> tuple[str, str]:
        """A new topic's ARN and that of the function's subscription."""
        sns = self.client("sns")
        arn = sns.create_topic(Name=f"topic-{uuid.uuid4().hex[:8]}")["TopicArn"]
        subscription = ""
        if function:
            made = sns.subscribe(TopicArn=arn, Protocol="lambda", Endpoint=function, Attributes=attributes)
            subscription = made["SubscriptionArn"]
            if permit:
                self.permit(function, "sns.amazonaws.com", arn)
        return arn, subscription

    def permit(self, function: str, service: str, source: str) -> None:
        """Let a service invoke the function for a source."""
        self.client("lambda").add_permission(
            FunctionName=function,
            StatementId=uuid.uuid4().hex,
            Action="lambda:InvokeFunction",
            Principal=service,
            SourceArn=source,
        )

    def destinations(self, function: str, **settings: Any) -> None:
        """Configure asynchronous invocation: ``success`` and ``failure`` ARNs, and settings of AWS's names."""
        config = {
            name: {"Destination": settings.pop(key)}
            for key, name in (("success", "OnSuccess"), ("failure", "OnFailure"))
            if key in settings
        }
        self.client("lambda").put_function_event_invoke_config(
            FunctionName=function, DestinationConfig=config, **settings
        )

    def invoke_later(self, function: str, event: Any) -> None:
        """Invoke asynchronously."""
        answer = self.client("lambda").invoke(
            FunctionName=function, InvocationType="Event", Payload=json.dumps(event).encode()
        )
        assert answer["StatusCode"] == 202

    def invoke(self, function: str, event: Any = None) -> tuple[Any, str | None]:
        """Invoke and wait; the payload and the kind of error, if it was one."""
        answer = self.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode())
        return json.loads(answer["Payload"].read()), answer.get("FunctionError")

    def log(self, function: str) -> list[str]:
        """The lines in the function's log."""
        group = f"/aws/lambda/{function.rsplit(':', 1)[-1]}"
        logs = self.client("logs")
        if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
            return []
        return [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]

    def metric(self, namespace: str, name: str, **dimensions: str) -> float:
        """The sum of a metric over the last hour."""
        now = time.time()
        points = self.client("cloudwatch").get_metric_statistics(
            Namespace=namespace,
            MetricName=name,
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            StartTime=now - 3600,
            EndTime=now + 60,
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(point["Sum"] for point in points))
