"""The table of rights in docs/rights.md: with a row's actions its command works, and without any one of them not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.errors import HeraldError
from ops.aws.account import Account
from ops.deploy.release_history import Releases
from ops.errors import OpsError
from ops.operations import Operations, Selection, dead_letters, secrets
from tests.e2e.harness import Harness, marker
from tests.rights import rows

TABLE = "arn:aws:dynamodb:us-east-1:000000000000:table/herald-local-messages"
INDEX = f"{TABLE}/index/site"
DESTINED = "arn:aws:lambda:us-east-1:000000000000:function:herald-local-destined"
NOTIFIERS = "arn:aws:lambda:us-east-1:000000000000:function:herald-local-notify_*"
QUEUES = "arn:aws:sqs:us-east-1:000000000000:herald-local-*"
PARAMETERS = "arn:aws:ssm:us-east-1:000000000000:parameter/herald/local/*"
LOOK = {"dynamodb:GetItem": TABLE}
LETTERS = {f"sqs:{action}": QUEUES for action in ("GetQueueUrl", "GetQueueAttributes", "ReceiveMessage")}

Do = Callable[[Operations, str], Any]
ROWS: dict[str, tuple[dict[str, str], Do]] = {
    "messages list": ({"dynamodb:Query": INDEX}, lambda it, one: it.page(Selection("default"))),
    "messages show": (LOOK, lambda it, one: it.get(one)),
    "messages export": (
        {"dynamodb:Query": INDEX, "dynamodb:BatchGetItem": TABLE},
        lambda it, one: next(it.whole(Selection("default"))),
    ),
    "notify": (
        {"sns:Publish": "arn:aws:sns:us-east-1:000000000000:herald-local-messages"},
        lambda it, one: it.notify({"kind": "notification", "version": 1, "title": "Rights", "message": marker()}),
    ),
    "replay": (
        LOOK | {"dynamodb:UpdateItem": TABLE, "lambda:InvokeFunction": DESTINED},
        lambda it, one: must_ask(it, one),
    ),
    "messages erase": (
        LOOK | LETTERS | {f"dynamodb:{action}": TABLE for action in ("BatchGetItem", "DeleteItem", "UpdateItem")},
        lambda it, one: it.erase_all([one, "without-a-record"]),
    ),
    "secrets check": (
        {"ssm:GetParameters": PARAMETERS, "lambda:InvokeFunction": NOTIFIERS},
        lambda it, one: must_be_well(it),
    ),
    "releases": (
        {
            "ssm:GetParameter": PARAMETERS,
            "cloudformation:DescribeStacks": "arn:aws:cloudformation:us-east-1:000000000000:stack/herald-local-*/*",
            "s3:ListBucket": "arn:aws:s3:::herald-local-releases-000000000000-*",
        },
        lambda it, one: Releases(it.stage, it.account).ids(),
    ),
}


def must_ask(it: Operations, message_id: str) -> None:
    if not it.replay(message_id).asked:
        raise OpsError("destined was not asked")


def must_be_well(it: Operations) -> None:
    wrong = [one for one in secrets.check(it.stage, it.account) if not one.is_well]
    if wrong:
        raise OpsError(str(wrong))


def failed(herald: Harness) -> str:
    """The id of a message that the provider refused."""
    # Many times, as a replay that an earlier test asked for may still be under way.
    herald.faults({"do": "status", "status": 400, "times": 1000})
    message_id = herald.accepted(marker())
    herald.line("on_failure", message_id=message_id)
    herald.faults()
    return message_id


@pytest.mark.parametrize("command", ROWS)
@pytest.mark.full
def test_a_command_needs_what_its_row_says_and_nothing_else(herald: Harness, command: str, root: Path) -> None:
    actions, do = ROWS[command]
    documented = rows(root / "docs/rights.md")[command]
    assert set(actions) <= documented, "the page says what is needed"
    message_id = failed(herald) if command not in ("secrets check", "releases") else ""
    for queue in dead_letters.QUEUES:
        herald.empty(queue)
    for left_out in (*actions, ""):
        rest = {action: on for action, on in actions.items() if action != left_out}
        granted = [{"Effect": "Allow", "Action": action, "Resource": on} for action, on in rest.items()]
        with herald.program(*granted) as environ:
            operations = Operations(herald.stage, Account(environ))
            if not left_out:
                do(operations, message_id)
                continue
            with pytest.raises((HeraldError, OpsError, ClientError)):
                do(operations, message_id)
