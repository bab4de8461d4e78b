"""``notify_email``: a pure function of the Invoke API, in front of an Amazon SES that answers as documented.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-error-messages.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from chalicelib.adapters.providers import email as ses
from chalicelib.adapters.providers.email import SesNotifier
from chalicelib.errors import (
    ChannelRejectedError,
    ChannelUnavailableError,
    ChannelUncertainError,
    FunctionError,
)
from chalicelib.logic.notification import Notification, from_contact
from tests.fakes import NOW, FakeContainer, mail_channel, mailing_stage, message
from tests.functional import notifiers

Stubbed = Callable[[str], tuple[Any, Stubber]]
NOTIFICATION = from_contact(
    message("id-1", name="MARKER-name", email="ada@example.com", message="MARKER-message", phone="MARKER-phone")
)
REQUEST = NOTIFICATION.as_request()


class Post:
    """``notify_email`` with a stubbed SES, and what SES was asked to send."""

    def __init__(self, stubbed: Stubbed, **options: str | tuple[str, ...]) -> None:
        self.sesv2, self.stub = stubbed("sesv2")
        self.sent: list[dict[str, Any]] = []
        self.sesv2.meta.events.register_first("before-parameter-build.sesv2.SendEmail", self._keep)
        plain = mail_channel()
        channel = plain._replace(options={**plain.options, **options})
        self.composition = FakeContainer(
            mailing_stage(channel, name="local"), providers={"email": SesNotifier(self.sesv2, channel)}
        )

    def _keep(self, params: Any, **_: Any) -> None:
        self.sent.append(json.loads(json.dumps(params)))

    def accepts(self) -> None:
        self.stub.add_response("send_email", {"MessageId": "ses-1"})

    def refuses(self, code: str, words: str = "MARKER", status: int = 400) -> None:
        self.stub.add_client_error("send_email", code, words, http_status_code=status)

    def invoke(self, request: object = REQUEST) -> Any:
        return notifiers.invoke("email", self.composition, request)

    def fails(self, means: type[FunctionError], request: object = REQUEST) -> FunctionError:
        error = notifiers.fails("email", self.composition, means, request)
        assert "ada@example.com" not in str(error)
        return error


@pytest.fixture
def ses_(stubbed: Stubbed, log: Any, capfd: pytest.CaptureFixture[str]) -> Iterator[Post]:
    """No answer of SES puts an address or text into the log."""
    yield Post(stubbed)
    said = log.text + "".join(capfd.readouterr())
    for secret in ("MARKER", "ada@example.com", "owner@example.org"):
        assert secret not in said


# Delivered


def test_a_mail_is_sent_once_as_documented_and_answered_by_the_contract(ses_: Post) -> None:
    ses_.accepts()
    assert ses_.invoke() == {"channel": "email", "status": "delivered", "reference": "ses-1"}
    (sent,) = ses_.sent
    assert sent["FromEmailAddress"] == "Herald <herald@example.com>"
    assert sent["Destination"] == {"ToAddresses": ["owner@example.org"]}
    assert sent["ReplyToAddresses"] == ["ada@example.com"]
    assert set(sent) == {"FromEmailAddress", "Destination", "ReplyToAddresses", "Content"}
    assert set(sent["Content"]) == {"Simple"}, "SES makes the headers"
    simple = sent["Content"]["Simple"]
    assert simple["Subject"] == {"Data": "New message: default", "Charset": "UTF-8"}
    assert set(simple) == {"Subject", "Body"}
    assert set(simple["Body"]) == {"Text", "Html"}
    for part in simple["Body"].values():
        assert part["Charset"] == "UTF-8"
        for word in ("MARKER-name", "ada@example.com", "MARKER-phone", "MARKER-message"):
            assert word in part["Data"]


def test_the_channels_options_decide_sender_recipients_and_configuration_set(stubbed: Stubbed) -> None:
    it = Post(stubbed, **{"from": "a@example.net"}, to=("b@example.org", "c@example.org"), configuration_set="own")
    it.accepts()
    it.invoke({**REQUEST, "title": "MARKER-name writes"})
    (sent,) = it.sent
    assert sent["FromEmailAddress"] == "a@example.net"
    assert sent["Destination"] == {"ToAddresses": ["b@example.org", "c@example.org"]}
    assert sent["ConfigurationSetName"] == "own"
    assert sent["Content"]["Simple"]["Subject"]["Data"] == "MARKER-name writes"
    assert "<title>MARKER-name writes</title>" in sent["Content"]["Simple"]["Body"]["Html"]["Data"]


HOSTILE = "x@example.com\r\nBcc: victim@example.com\r\n\r\n"


def test_nothing_that_is_typed_becomes_a_header_or_a_recipient(ses_: Post) -> None:
    fields = [{"name": name, "value": HOSTILE} for name in ("name", "email", "subject", "to", "Bcc", HOSTILE)]
    ses_.accepts()
    ses_.invoke({**REQUEST, "title": HOSTILE, "reply_to": HOSTILE, "fields": fields})
    (sent,) = ses_.sent
    simple = sent.pop("Content")["Simple"]
    assert sent == {
        "FromEmailAddress": "Herald <herald@example.com>",
        "Destination": {"ToAddresses": ["owner@example.org"]},
    }
    assert simple["Subject"]["Data"] == "x@example.com Bcc: victim@example.com"


@pytest.mark.parametrize("reply_to", ["юля@example.com", "a,b@example.com", "Ada <ada@example.com>", "nobody"])
def test_an_address_that_ses_does_not_take_is_no_reply_to(ses_: Post, reply_to: str) -> None:
    ses_.accepts()
    ses_.invoke({**REQUEST, "reply_to": reply_to})
    assert "ReplyToAddresses" not in ses_.sent[0]


def test_an_address_that_ses_refuses_after_all_does_not_cost_the_message(ses_: Post) -> None:
    ses_.refuses("BadRequestException")
    ses_.accepts()
    assert ses_.invoke()["status"] == "delivered"
    first, second = ses_.sent
    assert first.pop("ReplyToAddresses") == ["ada@example.com"]
    assert first == second


@pytest.mark.parametrize("code", ["MessageRejected", "NotFoundException", "TooManyRequestsException"])
def test_after_any_other_error_there_is_no_second_call(ses_: Post, code: str) -> None:
    ses_.refuses(code)
    with pytest.raises(FunctionError):
        ses_.invoke()
    assert len(ses_.sent) == 1


# What SES's answers mean

OWNERS = (
    *("MailFromDomainNotVerifiedException", "AccountSuspendedException", "SendingPausedException"),
    *("LimitExceededException", "Unheard"),
)
FORBIDDEN = ("AccessDeniedException", "AccessDenied", "ExpiredTokenException", "UnrecognizedClientException")
NOT_VERIFIED = "Email address is not verified. The following identities failed the check in region EU-WEST-1: MARKER@a"


@pytest.mark.parametrize(
    ("code", "status", "words", "wait"),
    [
        # Too much just now
        ("TooManyRequestsException", 429, "Too many requests", ses.BUSY),
        ("ThrottlingException", 400, "Maximum sending rate exceeded", ses.BUSY),
        ("ThrottlingException", 400, "Daily message quota exceeded", ses.BUSY),
        ("Throttling", 400, "Rate exceeded", ses.BUSY),
        ("Unheard", 429, "", ses.BUSY),
        ("ServiceUnavailable", 503, "", ses.BUSY),
        # What the owner can mend
        ("MessageRejected", 400, NOT_VERIFIED, ses.SES_WAIT_FOR_OWNER),
        ("NotFoundException", 404, "Configuration set <own> does not exist", ses.SES_WAIT_FOR_OWNER),
        *((code, 400, "", ses.SES_WAIT_FOR_OWNER) for code in OWNERS),
        *((code, 403, "", ses.SES_WAIT_FOR_OWNER) for code in FORBIDDEN),
    ],
)
def test_what_is_not_this_messages_fault_waits_until_it_is_mended(
    ses_: Post, code: str, status: int, words: str, wait: int
) -> None:
    ses_.refuses(code, words, status)
    error = ses_.fails(ChannelUnavailableError)
    assert error.retry_after == wait
    assert error.message.endswith(f": {code}"), "the one word by which the owner finds it in docs/channels/email.md"


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("MessageRejected", 400, "Transaction failed: MARKER contains a virus"),
        ("MessageRejected", 400, ""),
        ("RequestEntityTooLarge", 413, ""),
    ],
)
def test_what_is_wrong_with_this_very_message_is_refused_for_good(
    ses_: Post, code: str, status: int, words: str
) -> None:
    ses_.refuses(code, words, status)
    assert ses_.fails(ChannelRejectedError).message == f"SES refused the message: {code}"


@pytest.mark.parametrize(("reply_to", "calls"), [("ada@example.com", 2), ("nobody", 1)])
def test_a_request_that_is_wrong_even_without_reply_to_is_refused_for_good(
    ses_: Post, reply_to: str, calls: int
) -> None:
    for _ in range(calls):
        ses_.refuses("BadRequestException")
    error = ses_.fails(ChannelRejectedError, {**REQUEST, "reply_to": reply_to})
    assert (error.message, len(ses_.sent)) == ("SES refused the message: BadRequestException", calls)


def test_a_deleted_default_configuration_set_is_no_fault_of_the_message(ses_: Post) -> None:
    for _ in range(2):
        ses_.refuses("BadRequestException", "Configuration set <MARKER> doesn't exist.")
    error = ses_.fails(ChannelUnavailableError)
    assert (error.message, error.retry_after) == (
        "SES lacks a configuration set: BadRequestException",
        ses.SES_WAIT_FOR_OWNER,
    )


@pytest.mark.parametrize("status", [500, 502, 504])
def test_after_a_failure_inside_ses_nobody_knows(ses_: Post, status: int) -> None:
    ses_.refuses("InternalServiceErrorException", status=status)
    ses_.fails(ChannelUncertainError)


@pytest.mark.parametrize("answer", [{}, None, [], {"messageid": "x"}])
def test_an_answer_that_is_none_of_sess_is_uncertain(answer: object) -> None:
    odd: Any = SimpleNamespace(send_email=lambda **request: answer)
    with pytest.raises(ChannelUncertainError) as caught:
        SesNotifier(odd, mail_channel()).notify(NOTIFICATION)
    assert caught.value.message == "SES's answer can't be understood"


@pytest.mark.parametrize("response", [{}, {"Error": {}}, {"Error": {"Code": "Odd"}, "ResponseMetadata": {}}])
def test_an_error_without_a_status_is_uncertain(aws: Callable[[str], Any], response: Any) -> None:
    def odd(**_: Any) -> None:
        raise ClientError(response, "SendEmail")

    sesv2 = aws("sesv2")
    sesv2.meta.events.register("before-send.sesv2.SendEmail", odd)
    with pytest.raises(ChannelUncertainError):
        SesNotifier(sesv2, mail_channel()).notify(NOTIFICATION)


def test_a_message_from_another_program_is_mailed_as_it_is(ses_: Post) -> None:
    ses_.accepts()
    ses_.invoke(Notification("id-1", "Backup", "It has finished.", NOW).as_request())
    simple = ses_.sent[0]["Content"]["Simple"]
    assert simple["Subject"]["Data"] == "Backup"
    assert simple["Body"]["Text"]["Data"].startswith("It has finished.\n\n")
    assert "ReplyToAddresses" not in ses_.sent[0]
