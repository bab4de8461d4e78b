"""The adapters of AWS: exactly what each asks of its service, and what each answer means."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import IO, Any, cast

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)
from botocore.response import StreamingBody

from chalicelib.adapters import aws
from chalicelib.adapters.aws.botocore_client import Sdk
from chalicelib.adapters.dynamodb_items import from_item
from chalicelib.adapters.file_bucket import MAX_READ, FileBucket, StoredFile
from chalicelib.adapters.last_alarm import AlarmItem
from chalicelib.adapters.last_canary import CanaryItem
from chalicelib.adapters.last_digest import DigestItems
from chalicelib.adapters.message_table import MessageTable
from chalicelib.adapters.notifier_client import NotifierClient
from chalicelib.adapters.secrets import ParameterSecrets
from chalicelib.adapters.stored_messages import MessageArchive
from chalicelib.adapters.topic import SnsTopic
from chalicelib.composition import Container
from chalicelib.errors import (
    ChannelRejectedError,
    ChannelUnavailableError,
    ChannelUncertainError,
    FunctionError,
    InvalidRequestError,
    PublishError,
    StoreError,
)
from chalicelib.functions import FUNCTIONS
from chalicelib.logic.canary_arrival import Canary
from chalicelib.logic.delivery import CLAIM_SECONDS
from chalicelib.logic.delivery_types import Delivery, Record, State
from chalicelib.logic.failure_alarm import Turn
from chalicelib.logic.notification import Notification
from chalicelib.logic.retry_due import DueMessage
from chalicelib.logic.spam import NOTHING_FOUND, HoldReason, Verdict
from chalicelib.logic.stored_messages import Wanted
from chalicelib.settings import FileRules, SettingsError, Spam
from tests.conftest import Log
from tests.dynamodb import LocalTable
from tests.fakes import FUNCTION_ARN, NOW, message, site, stage
from tests.functional.conftest import Provider, Stubbed

DAY = 24 * 60 * 60


def break_at(client: Any, operation: str, error: Exception) -> None:
    """Let the sending of a request fail, by botocore's own events."""

    def fail(**_: Any) -> None:
        raise error

    client.meta.events.register(f"before-send.{operation}", fail)


def set_aws_environment(monkeypatch: pytest.MonkeyPatch, functions: str) -> None:
    """Where a client that a test makes by itself finds Lambda."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", functions)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


CLIENT_SIDE = [
    EndpointConnectionError(endpoint_url="https://MARKER"),
    ConnectTimeoutError(endpoint_url="https://MARKER"),
    ReadTimeoutError(endpoint_url="https://MARKER"),
    ConnectionClosedError(endpoint_url="https://MARKER"),
    NoCredentialsError(),
]


# SnsTopic


@pytest.mark.parametrize(
    ("function_arn", "topic_arn"),
    [
        (FUNCTION_ARN, "arn:aws:sns:eu-central-1:123456789012:herald-dev-messages"),
        (
            "arn:aws-cn:lambda:cn-north-1:123456789012:function:herald-dev",
            "arn:aws-cn:sns:cn-north-1:123456789012:herald-dev-messages",
        ),
        (
            "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:herald-dev:$LATEST",
            "arn:aws-us-gov:sns:us-gov-west-1:123456789012:herald-dev-messages",
        ),
    ],
)
def test_a_message_is_published_with_its_site_and_kind_as_attributes(
    stubbed: Stubbed, function_arn: str, topic_arn: str
) -> None:
    sns, stub = stubbed("sns")
    topic = SnsTopic(sns, "herald-dev-messages")
    attributes = {
        "site": {"DataType": "String", "StringValue": "default"},
        "kind": {"DataType": "String", "StringValue": "contact"},
    }
    request = {"TopicArn": topic_arn, "Message": "text", "MessageAttributes": attributes}
    for _ in range(2):
        stub.add_response("publish", {"MessageId": "m"}, request)
        topic.publish("text", site="default", kind="contact", function_arn=function_arn)


@pytest.mark.parametrize("error", CLIENT_SIDE, ids=lambda error: type(error).__name__)
def test_a_publication_that_failed_on_its_way_is_a_publish_error(aws: Callable[[str], Any], error: Exception) -> None:
    sns = aws("sns")
    break_at(sns, "sns.Publish", error)
    with pytest.raises(PublishError) as caught:
        SnsTopic(sns, "t").publish("MARKER", site="default", kind="contact", function_arn=FUNCTION_ARN)
    assert caught.value.reason == type(error).__name__
    assert "MARKER" not in str(caught.value)


@pytest.mark.parametrize("code", ["Throttled", "AuthorizationError", "NotFound", "InvalidParameter", "KMSDisabled"])
def test_a_publication_that_sns_refused_is_a_publish_error_with_its_code_and_the_next_is_made(
    stubbed: Stubbed, code: str
) -> None:
    sns, stub = stubbed("sns")
    stub.add_client_error("publish", code, "MARKER")
    stub.add_response("publish", {"MessageId": "m"})
    topic = SnsTopic(sns, "t")
    with pytest.raises(PublishError) as caught:
        topic.publish("MARKER", site="default", kind="contact", function_arn=FUNCTION_ARN)
    assert caught.value.reason == code
    assert "MARKER" not in str(caught.value)
    topic.publish("MARKER", site="default", kind="contact", function_arn=FUNCTION_ARN)


# MessageTable, on MiniStack's DynamoDB in this process

MESSAGE = message("id-1", message="MARKER")
CLAIM = Delivery(State.SENDING, 1, "request-1", NOW + CLAIM_SECONDS)
WAITING = Delivery(State.WAITING, 1, "request-1", 0, NOW + 5, "", "ChannelUnavailableError", NOW + 1)
DONE = Delivery(State.DELIVERED, 1, "request-1", 0, 0, "ref")
NEW = Record("request-1", {"pushover": Delivery()})


def table(client: Any) -> MessageTable:
    return MessageTable(client, stage()._replace(sites={"default": site()._replace(retention_days=30)}), lambda: NOW)


@pytest.fixture
def there() -> LocalTable:
    return LocalTable(stage().table)


@pytest.mark.parametrize(
    ("site_", "received_at", "expires_at"),
    [
        ("default", NOW, NOW + 30 * DAY),
        ("gone", NOW, NOW + 365 * DAY),  # Of a site that has left the configuration.
        ("default", NOW - 40 * DAY, NOW + 72 * 3600 + DAY),  # It lay in a queue for longer than it is kept.
    ],
)
def test_a_message_expires_by_its_sites_retention_and_not_before_it_can_be_delivered(
    there: LocalTable, site_: str, received_at: int, expires_at: int
) -> None:
    assert table(there).add(replace(MESSAGE, site=site_, received_at=received_at), NEW) is None
    items = there.items()
    assert {key: item["expires_at"]["N"] for key, item in items.items()} == dict.fromkeys(
        ("id-1", "fields#id-1"), str(expires_at)
    )
    assert "MARKER" not in json.dumps(items["id-1"]), "what the visitor wrote stands in the other item alone"
    assert (items["id-1"]["received_at"], items["id-1"]["stored_at"]) == ({"N": str(received_at)}, {"N": str(NOW)})


VERDICTS = [
    NOTHING_FOUND,
    Verdict(("links",), 0, person_rank=2),
    Verdict(("rate", "honeypot"), 12, HoldReason.QUARANTINED),
    Verdict((), 0, HoldReason.DUPLICATE, "id-0"),
]


@pytest.mark.parametrize("verdict", VERDICTS, ids=str)
@pytest.mark.parametrize("due_at", [0, NOW + 50])
def test_a_message_and_what_is_known_of_it_come_back_as_they_were_stored_and_are_stored_once(
    there: LocalTable, verdict: Verdict, due_at: int
) -> None:
    it, known = replace(MESSAGE, fields={"b": "MARKER", "a": "ü"}), replace(NEW, verdict=verdict, due_at=due_at)
    assert table(there).add(it, known) is None
    assert table(there).find("id-1") == (it, known)
    assert list(table(there).find("id-1")[0].fields) == ["b", "a"]  # type: ignore[index]
    other = Record("request-9", {"email": DONE}, Verdict(("honeypot",), 99, HoldReason.QUARANTINED))
    assert table(there).add(it, other) == known
    assert table(there).find_record("id-1") == known


def test_a_message_without_text_is_found_and_one_whose_text_was_erased_is_not(there: LocalTable) -> None:
    empty = replace(MESSAGE, fields={})
    table(there).add(empty, NEW)
    assert table(there).find("id-1") == (empty, NEW)
    there.delete_item(TableName=stage().table, Key={"id": {"S": "fields#id-1"}})
    assert table(there).find("id-1") is None


def test_a_message_is_read_with_all_that_was_written_before(there: LocalTable) -> None:
    table(there).add(MESSAGE, NEW)
    asked: list[Any] = []
    there.before_call = lambda _, request: asked.append(request.get("ConsistentRead"))
    table(there).find("id-1")
    assert asked == [True, True]


def test_a_message_that_is_gone_is_none_and_nothing_makes_a_record_of_it(there: LocalTable) -> None:
    assert table(there).find("id-1") is None
    table(there).set_due_at("id-1", NOW)
    table(there).set_due_at("id-1", 0)
    table(there).hold("id-1", "id-0")
    assert table(there).replace_delivery("id-1", "pushover", Delivery(), CLAIM) is False
    assert there.items() == {}


def test_an_outcome_adds_a_line_of_history_and_says_when_the_message_is_due(there: LocalTable) -> None:
    table(there).add(MESSAGE, NEW)
    assert table(there).replace_delivery("id-1", "pushover", Delivery(), CLAIM) is True
    assert "history" not in there.items()["id-1"], "a claim is no outcome"
    assert table(there).replace_delivery("id-1", "pushover", CLAIM, WAITING, NOW + 5) is True
    assert table(there).find_record("id-1") == replace(NEW, deliveries={"pushover": WAITING}, due_at=NOW + 5)
    assert table(there).replace_delivery("id-1", "pushover", WAITING, DONE, 0) is True
    assert table(there).find_record("id-1") == replace(NEW, deliveries={"pushover": DONE})
    lines = [from_item(line["M"]) for line in there.items()["id-1"]["history"]["L"]]
    waited = {"state": "waiting", "since": NOW + 1, "error": "ChannelUnavailableError", "reference": ""}
    delivered = {"state": "delivered", "since": 0, "error": "", "reference": "ref"}
    assert lines == [{"channel": "pushover", "attempts": 1, **outcome} for outcome in (waited, delivered)]


def test_a_duplicate_is_marked_by_one_write_after_which_nothing_is_due(there: LocalTable) -> None:
    table(there).add(MESSAGE, replace(NEW, due_at=NOW))
    before = len(there.calls)
    table(there).hold("id-1", "id-0")
    assert len(there.calls) == before + 1
    assert table(there).find_record("id-1") == replace(NEW, verdict=VERDICTS[-1])


def test_what_is_due_is_read_from_its_index_oldest_first(there: LocalTable) -> None:
    for number, due_at in enumerate((NOW, NOW - 9, 0, NOW + 1, NOW - 5)):
        table(there).add(replace(MESSAGE, id=f"id-{number}"), replace(NEW, due_at=due_at))
    assert [due.id for due in table(there).find_due(NOW, 7)] == ["id-1", "id-4", "id-0"]
    assert table(there).find_due(NOW, 1) == [DueMessage("id-1", "default")]
    table(there).set_due_at("id-1", NOW + 60)
    table(there).set_due_at("id-4", 0)
    assert [due.id for due in table(there).find_due(NOW, 7)] == ["id-0"]


@pytest.mark.parametrize("state", list(State))
def test_every_state_survives_the_table(there: LocalTable, state: State) -> None:
    delivery = Delivery(state, 3, "request-1", 7, 8, "réf", "Interrupted")
    table(there).add(MESSAGE, replace(NEW, deliveries={"pushover": delivery}))
    assert table(there).find_record("id-1").deliveries["pushover"].state is state  # type: ignore[union-attr]
    assert table(there).find_record("id-1") == replace(NEW, deliveries={"pushover": delivery})


@pytest.mark.parametrize(
    ("deliveries", "changed"),
    [
        ({"pushover": replace(CLAIM, claimed_by="request-2")}, False),
        ({"pushover": Delivery(State.WAITING)}, False),
        ({"pushover": Delivery(attempts=1)}, False),
        ({"pushover": Delivery(claimed_by="request-2")}, False),
        ({"pushover": DONE}, False),
        ({"email": CLAIM}, False),
        ({"pushover": CLAIM}, True),  # Its own write, whose answer was lost.
    ],
)
def test_a_change_that_came_too_late_is_none_and_ones_own_lost_answer_is_one(
    there: LocalTable, deliveries: dict[str, Delivery], changed: bool
) -> None:
    table(there).add(MESSAGE, replace(NEW, deliveries=deliveries))
    assert table(there).replace_delivery("id-1", "pushover", Delivery(), CLAIM) is changed
    assert table(there).find_record("id-1") == replace(NEW, deliveries=deliveries)


TABLE = stage().table
REFUSED: list[tuple[str, Callable[[Any], object]]] = [
    ("put_item", lambda client: table(client).add(MESSAGE, NEW)),
    ("update_item", lambda client: table(client).replace_delivery("id-1", "pushover", Delivery(), CLAIM)),
    ("update_item", lambda client: table(client).hold("id-1", "id-0")),
    ("get_item", lambda client: MessageArchive(client, stage(), lambda: NOW).get("id-1")),
    ("query", lambda client: MessageArchive(client, stage(), lambda: NOW).page(Wanted("default"))),
    ("update_item", lambda client: AlarmItem(client, TABLE).failed("event-1", NOW)),
    ("update_item", lambda client: AlarmItem(client, TABLE).unreported(NOW)),
    ("update_item", lambda client: AlarmItem(client, TABLE).told(Turn("run", 1), NOW)),
    ("put_item", lambda client: CanaryItem(client, TABLE).record_arrival(Canary("canary-1", NOW), NOW)),
    ("get_item", lambda client: DigestItems(client, TABLE).reported_until("default")),
    ("update_item", lambda client: DigestItems(client, TABLE).claim("default", None, NOW)),
]


@pytest.mark.parametrize(("operation", "call"), REFUSED)
def test_a_table_that_refuses_is_a_store_error_with_its_code_whatever_is_asked_of_it(
    stubbed: Stubbed, operation: str, call: Callable[[Any], object]
) -> None:
    dynamodb, stub = stubbed("dynamodb")
    stub.add_client_error(operation, "AccessDeniedException", "MARKER")
    with pytest.raises(StoreError) as caught:
        call(dynamodb)
    assert caught.value.reason == "AccessDeniedException"
    assert "MARKER" not in str(caught.value)


@pytest.mark.parametrize("error", CLIENT_SIDE, ids=lambda error: type(error).__name__)
def test_a_table_that_cant_be_reached_is_a_store_error(aws: Callable[[str], Any], error: Exception) -> None:
    dynamodb = aws("dynamodb")
    break_at(dynamodb, "dynamodb", error)
    with pytest.raises(StoreError) as caught:
        table(dynamodb).add(MESSAGE, NEW)
    assert caught.value.reason == type(error).__name__
    with pytest.raises(StoreError):
        table(dynamodb).replace_delivery("id-1", "pushover", Delivery(), CLAIM)


# FileBucket


def test_an_empty_object_keeps_its_name_type_and_time(stubbed: Stubbed) -> None:
    client, stub = stubbed("s3")
    asked = {
        "Bucket": "herald-dev-files-123456789012-eu-central-1",
        "ExpectedBucketOwner": "123456789012",
        "Key": "incoming/x",
    }
    ranged = {**asked, "Range": f"bytes=0-{MAX_READ - 1}"}
    # https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html: "The requested range cannot be satisfied."
    stub.add_client_error("get_object", "InvalidRange", http_status_code=416, expected_params=ranged)
    at = datetime(2026, 11, 29, 7, tzinfo=UTC)
    answer = {"Body": io.BytesIO(), "Metadata": {"name": "%C3%BC.jpg", "type": "image/jpeg"}, "LastModified": at}
    stub.add_response("get_object", answer, asked)
    bucket = FileBucket(Sdk(client), stage(), FUNCTION_ARN)
    assert bucket.read("incoming/x") == StoredFile(b"", "ü.jpg", "image/jpeg", int(at.timestamp()))


# NotifierClient

FUNCTION = "herald-dev-notify_pushover"
NOTIFICATION = Notification("id-1", "Title", "Юлия MARKER", NOW)


def answer(payload: bytes, *, failed: str = "") -> dict[str, Any]:
    response = {"StatusCode": 200, "Payload": StreamingBody(io.BytesIO(payload), len(payload))}
    return response | ({"FunctionError": failed} if failed else {})


def notify(stubbed: Stubbed, payload: bytes, *, failed: str = "") -> str:
    client, stub = stubbed("lambda")
    request = '{"version": 1, "id": "id-1", "title": "Title", "message": "Юлия MARKER", "timestamp": 1767225600,'
    request += ' "channel": "pushover"}'
    stub.add_response("invoke", answer(payload, failed=failed), {"FunctionName": FUNCTION, "Payload": request.encode()})
    return NotifierClient(client, FUNCTION, "pushover").notify(NOTIFICATION)


def test_a_notifier_is_invoked_with_version_1_and_its_reference_returned(stubbed: Stubbed) -> None:
    payload = b'{"channel": "pushover", "status": "delivered", "reference": "ref-1"}'
    assert notify(stubbed, payload) == "ref-1"


@pytest.mark.parametrize("quota", [None, {"limit": 200, "remaining": 7, "reset": None}])
def test_a_notifier_is_asked_whether_it_could_deliver(stubbed: Stubbed, quota: object) -> None:
    client, stub = stubbed("lambda")
    payload = json.dumps({"channel": "pushover", "checked": True, "quota": quota}).encode()
    stub.add_response("invoke", answer(payload))
    found = NotifierClient(client, FUNCTION, "pushover").check(NOTIFICATION)
    assert (found.as_json() if found else None) == quota


@pytest.mark.parametrize(
    "told",
    [
        {"channel": "pushover", "status": "delivered", "reference": "ref-1"},
        {"quota": {"limit": 1}},
        {"quota": {"limit": 200, "remaining": "7", "reset": None}},
        {"quota": [1]},
    ],
)
def test_a_check_that_is_answered_by_anything_else_was_none(stubbed: Stubbed, told: object) -> None:
    client, stub = stubbed("lambda")
    stub.add_response("invoke", answer(json.dumps(told).encode()))
    with pytest.raises(ChannelUncertainError):
        NotifierClient(client, FUNCTION, "pushover").check(NOTIFICATION)


def test_a_delivery_asks_for_no_check_and_a_check_for_no_delivery(stubbed: Stubbed) -> None:
    client, stub = stubbed("lambda")
    asked: list[bool] = []
    client.meta.events.register(
        "before-parameter-build.lambda.Invoke",
        lambda params, **_: asked.append(json.loads(params["Payload"]).get("check", False)),
    )
    notifier = NotifierClient(client, FUNCTION, "pushover")
    stub.add_response("invoke", answer(b'{"channel": "p", "status": "delivered", "reference": "r"}'))
    notifier.notify(replace(NOTIFICATION, check=True))
    stub.add_response("invoke", answer(b'{"channel": "p", "checked": true, "quota": null}'))
    notifier.check(NOTIFICATION)
    assert asked == [False, True]


@pytest.mark.parametrize(
    ("error", "key", "retry_after"),
    [
        (InvalidRequestError, "title", None),
        (ChannelRejectedError, "", None),
        (ChannelUnavailableError, "", 3600),
        (ChannelUncertainError, "", None),
    ],
)
def test_an_error_of_the_contract_is_raised_here_as_it_was_there(
    stubbed: Stubbed, error: type[FunctionError], key: str, retry_after: int | None
) -> None:
    there = error("what was wrong", key=key, retry_after=retry_after)
    payload = {"errorMessage": str(there), "errorType": error.__name__, "requestId": "r", "stackTrace": ["a line"]}
    with pytest.raises(FunctionError) as caught:
        notify(stubbed, json.dumps(payload).encode(), failed="Unhandled")
    assert type(caught.value) is error
    assert (caught.value.message, caught.value.key, caught.value.retry_after) == ("what was wrong", key, retry_after)


@pytest.mark.parametrize(
    ("payload", "failed"),
    [
        (b'{"errorMessage": "2026-01-01T00:00:00.000Z r Task timed out after 20.02 seconds"}', "Unhandled"),
        (b'{"errorType": "KeyError", "errorMessage": "\'MARKER\'"}', "Unhandled"),
        (b"null", ""),
        (b"{}", ""),
        (b'{"status": "delivered"}', ""),
        (b'{"status": "queued", "reference": "r"}', ""),
        (b'{"reference": "r"}', ""),
    ],
)
def test_whatever_is_not_of_the_contract_is_uncertain_and_an_answer_logged(
    stubbed: Stubbed, payload: bytes, failed: str, log: Log
) -> None:
    """A failed run has its own log, of the notifier."""
    with pytest.raises(ChannelUncertainError) as caught:
        notify(stubbed, payload, failed=failed)
    if not failed:
        line = log.line("No usable answer from the notifier")
        assert (line["channel"], line["reason"]) == ("pushover", caught.value.message)
    assert "MARKER" not in f"{caught.value} {log.text}"


@pytest.mark.parametrize(
    "quota",
    ['{"limit": 1}', '{"limit": 9, "remaining": 9, "reset": "soon"}', "{}", "[1]", '"full"', "7"],
)
def test_what_was_delivered_stays_so_and_a_quota_that_is_none_is_logged(stubbed: Stubbed, quota: str, log: Log) -> None:
    payload = f'{{"status": "delivered", "reference": "r", "quota": {quota}}}'
    assert notify(stubbed, payload.encode()) == "r"
    assert log.line("No usable quota from the notifier")["channel"] == "pushover"


@pytest.mark.parametrize(
    "code", ["AccessDeniedException", "TooManyRequestsException", "ResourceNotFoundException", "KMSDisabledException"]
)
def test_what_lambda_refused_was_not_run_and_the_log_says_why(stubbed: Stubbed, code: str, log: Log) -> None:
    client, stub = stubbed("lambda")
    stub.add_client_error("invoke", code, "MARKER", 400)
    with pytest.raises(ChannelUnavailableError) as caught:
        NotifierClient(client, FUNCTION, "pushover").notify(NOTIFICATION)
    line = log.line("No usable answer from the notifier")
    assert (line["channel"], line["reason"]) == ("pushover", f"{FUNCTION} was not invoked: {code}")
    assert caught.value.message == line["reason"]
    assert "MARKER" not in log.text


def test_an_internal_error_of_lambda_may_have_run_the_notifier(stubbed: Stubbed, log: Log) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html lists ServiceException (500), "The Lambda service
    encountered an internal error", and does not say that nothing was run."""
    client, stub = stubbed("lambda")
    stub.add_client_error("invoke", "ServiceException", "internal", 500)
    with pytest.raises(ChannelUncertainError):
        NotifierClient(client, FUNCTION, "pushover").notify(NOTIFICATION)
    assert log.line("No usable answer from the notifier")["reason"] == f"{FUNCTION} may have run: ServiceException"


@pytest.mark.parametrize(
    ("error", "means"),
    [
        (EndpointConnectionError(endpoint_url="https://MARKER"), ChannelUnavailableError),
        (ConnectTimeoutError(endpoint_url="https://MARKER"), ChannelUnavailableError),
        (NoCredentialsError(), ChannelUnavailableError),
        (ReadTimeoutError(endpoint_url="https://MARKER"), ChannelUncertainError),
        (ConnectionClosedError(endpoint_url="https://MARKER"), ChannelUncertainError),
        (SSLError(endpoint_url="https://MARKER", error=OSError()), ChannelUncertainError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else type(value).__name__,
)
def test_a_call_that_never_left_is_harmless_and_one_without_an_answer_uncertain(
    aws: Callable[[str], Any], error: Exception, means: type[FunctionError]
) -> None:
    client = aws("lambda")
    break_at(client, "lambda.Invoke", error)
    with pytest.raises(FunctionError) as caught:
        NotifierClient(client, FUNCTION, "pushover").notify(NOTIFICATION)
    assert type(caught.value) is means
    assert "MARKER" not in str(caught.value)


class Broken(io.RawIOBase):
    """A body whose connection breaks while it is read."""

    def read(self, size: int = -1) -> bytes:
        from urllib3.exceptions import ProtocolError

        raise ProtocolError("Connection broken")


def test_an_answer_that_breaks_off_is_uncertain(stubbed: Stubbed) -> None:
    client, stub = stubbed("lambda")
    body = StreamingBody(cast("IO[bytes]", Broken()), 10)
    stub.add_response("invoke", {"StatusCode": 200, "Payload": body})
    with pytest.raises(ChannelUncertainError):
        NotifierClient(client, FUNCTION, "pushover").notify(NOTIFICATION)


def test_the_real_client_calls_a_notifier_once_even_when_the_connection_breaks(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """botocore repeats such a call up to four times by default, and each may ring."""
    provider.fault = "hang up"
    set_aws_environment(monkeypatch, provider.url)
    composition = Container({"HERALD_STAGE": "dev", "LAMBDA_NOTIFICATIONS": f"pushover={FUNCTION}"})
    with pytest.raises(ChannelUncertainError):
        composition.notifiers["pushover"].notify(NOTIFICATION)
    assert len(provider.paths) == 1


# What all of them share


def test_every_client_has_time_limits_and_a_limit_on_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    plain = aws.client("sns").meta.config
    assert (plain.connect_timeout, plain.read_timeout) == (2, 5)
    assert plain.retries["total_max_attempts"] == 3
    once = aws.client("lambda", read=25, attempts=1).meta.config
    assert (once.read_timeout, once.retries["total_max_attempts"]) == (25, 1)


def test_a_claim_lasts_as_long_as_its_write_the_call_and_the_write_of_the_outcome_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    it = Container({"HERALD_STAGE": "dev", "LAMBDA_NOTIFICATIONS": "pushover=f"})
    clients: tuple[Any, Any] = (
        cast("MessageTable", it.messages)._dynamodb,
        cast("NotifierClient", it.notifiers["pushover"])._client,
    )
    limits = [one.meta.config for one in clients]
    table_, invoke = ((one.connect_timeout, one.read_timeout, one.retries["total_max_attempts"]) for one in limits)
    assert (table_, invoke) == ((1, 2, 2), (2, 25, 1))
    second_try = 1  # botocore's standard mode waits up to a second before it: random() * 2 ** 0.
    write = (table_[0] + table_[1]) * table_[2] + second_try
    assert write + (invoke[0] + invoke[1]) * invoke[2] + write <= CLAIM_SECONDS < 60, (
        "and over before Lambda's first retry"
    )


@pytest.mark.parametrize("files", [None, FileRules(2, 1024, ("image",))])
@pytest.mark.parametrize("points", [{}, {"rate": 10}, {"proof_of_work": 10}])
def test_a_form_is_answered_before_api_gateway_gives_up_however_slow_all_that_its_function_calls(
    points: dict[str, int], files: FileRules | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its visitor gets the gateway's own answer, and what was typed is lost."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    it, form = Container({}), site()._replace(files=files, spam=Spam(points=points))
    vars(it)["stage"] = stage()._replace(sites={form.name: form})
    clients: dict[str, Callable[[], Any]] = {  # By what the function may call, so that a new call is noticed.
        "ssm:GetParameters": lambda: cast(ParameterSecrets, it.spam_key_secret)._ssm,
        "s3:PutObject": lambda: it.file_bucket(FUNCTION_ARN)._s3,  # One round: all files at once.
        "sns:Publish": lambda: cast(SnsTopic, it.topic)._sns,
    }
    (function,) = (spec for spec in FUNCTIONS if spec.name == "api_handler")
    called = [action for grant in function.grants if grant.needed(it.stage) for action in grant.actions]
    assert ("s3:PutObject" in called, "ssm:GetParameters" in called) == (bool(files), bool(points))
    api_gateway, start_and_answer = 29, 2
    assert function.timeout <= api_gateway
    assert sum(longest_call(clients[action]()) for action in called) + start_and_answer <= function.timeout


def longest_call(client: Any) -> float:
    """Seconds, by botocore's standard mode: before attempt n + 1 it waits up to 2 ** (n - 1)."""
    limits = client.meta.config
    attempts = limits.retries["total_max_attempts"]
    return float((limits.connect_timeout + limits.read_timeout) * attempts + 2 ** (attempts - 1) - 1)


def test_a_composition_says_which_setting_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with pytest.raises(SettingsError, match="HERALD_STAGE is not set"):
        _ = Container({}).stage
    with pytest.raises(SettingsError, match="LAMBDA_NOTIFICATIONS is not set"):
        _ = Container({"HERALD_STAGE": "dev"}).notifiers


def test_a_composition_makes_everything_at_most_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    it = Container({"HERALD_STAGE": "dev", "LAMBDA_NOTIFICATIONS": "pushover=f"})
    assert it.topic is it.topic
    assert it.messages is it.messages
    assert it.notifiers is it.notifiers
    assert it.provider_notifier("pushover") is it.provider_notifier("pushover")
