"""What a deployment sees at the sources of functions' triggers before it changes anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.stub import Stubber

from ops.aws.account import Account
from ops.deploy import trigger_source_setup
from ops.errors import OpsError
from ops.naming import AwsLocation
from tests.fakes import stage
from tests.own_functions import OWN

WHERE = AwsLocation("aws", "eu-central-1", "123456789012")
URL = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders"


def check(stubbed: Callable[[str], tuple[Any, Stubber]], timeout: int) -> None:
    """Look at a queue that hides a message for 30 seconds from others than the function that got it."""
    spec = replace(next(spec for spec in OWN if spec.trigger.kind == "sqs"), timeout=timeout)
    sqs, stub = stubbed("sqs")
    for _ in ("is it there", "where is it"):
        stub.add_response("get_queue_url", {"QueueUrl": URL}, {"QueueName": "orders"})
    stub.add_response(
        "get_queue_attributes",
        {"Attributes": {"VisibilityTimeout": "30"}},
        {"QueueUrl": URL, "AttributeNames": ["VisibilityTimeout"]},
    )
    account = cast(Account, SimpleNamespace(where=WHERE, client=lambda service: sqs))
    trigger_source_setup.check(account, stage()._replace(functions=(spec.name,)), [spec])


def test_a_queue_that_shows_a_message_again_while_its_function_may_run_is_refused(
    stubbed: Callable[[str], tuple[Any, Stubber]],
) -> None:
    """Lambda's own words come late, from the stack: "Queue visibility timeout: 30 seconds is less than Function
    timeout: 31 seconds"."""
    with pytest.raises(OpsError) as refused:
        check(stubbed, timeout=31)
    assert str(refused.value).splitlines() == [
        "Lambda takes no queue that shows a message again while its function may run:",
        "  tested_sqs: its timeout is 31 s, and the visibility timeout of queue orders is 30 s. Set it: aws sqs"
        f" set-queue-attributes --queue-url {URL} --attributes VisibilityTimeout=186",
    ]


def test_a_queue_that_hides_a_message_as_long_as_its_function_runs_is_taken(
    stubbed: Callable[[str], tuple[Any, Stubber]],
) -> None:
    check(stubbed, timeout=30)
