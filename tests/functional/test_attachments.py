"""Attachments at the providers' doors: an image at Pushover, files at SES, and neither in the way of the words."""

from __future__ import annotations

import json
from dataclasses import replace
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

import pytest
import requests
from botocore.stub import Stubber

from chalicelib.adapters.provider_http import TIME_TO_SEND_AGAIN
from chalicelib.adapters.providers.email import SesNotifier
from chalicelib.adapters.providers.pushover import PushoverNotifier
from chalicelib.composition import override_container
from chalicelib.errors import ChannelRejectedError, ChannelUnavailableError, FilesError
from chalicelib.logic.attachments import Attachment
from chalicelib.logic.notification import NotifiedFile, from_contact
from chalicelib.settings import FileRules, Stage
from tests.fakes import FUNCTION_ARN, channel, mail_channel, message
from tests.functional.conftest import Provider, Stubbed
from tests.functional.notifiers import TOKEN, USER
from tests.functional.test_contact import site_with
from tests.functional.test_contact_files import FilesContainer
from tests.images import SECRETS, photo

IMAGE = Attachment("a.jpg", "image/jpeg", photo())
PLAIN = from_contact(message("id-1", email="ada@example.com", message="Hi"))
ATTACHED = replace(PLAIN, attached=(IMAGE,))


class Set:
    """Secrets that are set."""

    def read(self) -> dict[str, str]:
        return {"token": TOKEN, "user": USER}

    def forget(self) -> None:
        """Do nothing, as they never change."""


@pytest.fixture
def pushover(provider: Provider, session: requests.Session) -> PushoverNotifier:
    return PushoverNotifier(session, Set(), channel()._replace(url=provider.url))


def parts_of(provider: Provider, number: int) -> dict[str, bytes]:
    head = f"Content-Type: {provider.sent[number]['Content-Type']}\r\n\r\n".encode()
    found = BytesParser(policy=HTTP).parsebytes(head + provider.bodies[number])
    return {
        str(part.get_param("name", header="content-disposition")): bytes(part.get_payload(decode=True))
        for part in found.iter_parts()
    }


def test_pushover_gets_one_image_beside_the_message(pushover: PushoverNotifier, provider: Provider) -> None:
    assert pushover.notify(ATTACHED) == "req-1"
    parts = parts_of(provider, 0)
    assert (parts["attachment"], parts["message"].startswith(b"Hi"), parts["user"]) == (photo(), True, USER.encode())
    assert b'filename="image"' in provider.bodies[0], "and not its visitor's name for it"


def test_a_message_without_an_image_is_sent_as_ever(pushover: PushoverNotifier, provider: Provider) -> None:
    pushover.notify(PLAIN)
    assert provider.sent[0]["Content-Type"] == "application/x-www-form-urlencoded"


def test_what_pushover_refuses_with_an_image_is_sent_without_it(pushover: PushoverNotifier, provider: Provider) -> None:
    refusal = {"attachment": "is invalid", "errors": ["attachment is invalid"], "status": 0, "request": "r"}
    provider.status, provider.next = 400, [json.dumps(refusal).encode()] * 2
    with pytest.raises(ChannelRejectedError):
        pushover.notify(ATTACHED)
    first, second = provider.sent
    assert first["Content-Type"].startswith("multipart/form-data")
    assert second["Content-Type"] == "application/x-www-form-urlencoded"


def test_a_refusal_that_took_long_is_tried_again_later_as_a_second_request_might_outlast_the_function(
    provider: Provider, session: requests.Session
) -> None:
    provider.status, provider.next = 400, [b'{"status": 0, "request": "r"}']
    times = iter((0.0, TIME_TO_SEND_AGAIN + 0.1))
    slow = PushoverNotifier(session, Set(), channel()._replace(url=provider.url), clock=lambda: next(times))
    with pytest.raises(ChannelUnavailableError):
        slow.notify(ATTACHED)
    assert len(provider.sent) == 1


def sent_mails(stubbed: Stubbed) -> tuple[SesNotifier, Stubber, list[dict[str, Any]]]:
    client, stub = stubbed("sesv2")
    sent: list[dict[str, Any]] = []

    def keep(params: Any, **_: Any) -> None:
        simple = params["Content"]["Simple"]
        sent.append({"attachments": list(simple.get("Attachments", [])), "reply_to": params.get("ReplyToAddresses")})

    client.meta.events.register_first("before-parameter-build.sesv2.SendEmail", keep)
    return SesNotifier(client, mail_channel()), stub, sent


def test_a_mail_has_files_as_attachments(stubbed: Stubbed) -> None:
    notifier, stub, sent = sent_mails(stubbed)
    stub.add_response("send_email", {"MessageId": "ses-1"})
    assert notifier.notify(ATTACHED) == "ses-1"
    (attachment,) = sent[0]["attachments"]
    assert (attachment["FileName"], attachment["ContentType"]) == ("a.jpg", "image/jpeg")
    assert (attachment["ContentDisposition"], attachment["ContentTransferEncoding"]) == ("ATTACHMENT", "BASE64")
    assert attachment["RawContent"] == photo()


@pytest.mark.parametrize("code", ["AccessDeniedException", "MessageRejected", "BadRequestException"])
def test_what_ses_refuses_with_files_is_sent_without_them(stubbed: Stubbed, code: str) -> None:
    notifier, stub, sent = sent_mails(stubbed)
    for it in (ATTACHED, replace(ATTACHED, reply_to="")):
        stub.add_client_error("send_email", code, "no", http_status_code=400)
        stub.add_response("send_email", {"MessageId": "ses-2"})
        assert notifier.notify(it) == "ses-2"
    assert [len(mail["attachments"]) for mail in sent] == [1, 0, 1, 0]


class Bucket:
    """A bucket with these objects, or one that does not answer."""

    def __init__(self, contents: dict[str, bytes] | None) -> None:
        self._contents = contents

    def read_all(self, keys: list[str]) -> dict[str, bytes]:
        if self._contents is None:
            raise FilesError("SlowDown")
        return {key: self._contents[key] for key in keys if key in self._contents}


KEY = "files/default/id-1/1"
FILE = NotifiedFile("a.jpg", "image, 2 kB", KEY, "image/jpeg")


@pytest.mark.parametrize("keep", [False, True])
def test_a_notifier_reads_its_files_and_cleans_them_unless_the_site_keeps_metadata(local: Stage, keep: bool) -> None:
    stage = site_with(local, files=FileRules(3, 1000, ("image",), keep))
    container = FilesContainer(stage, Bucket({KEY: photo()}))
    with override_container(container):
        (found,) = container.with_attachments(replace(PLAIN, files=(FILE,)), "pushover", FUNCTION_ARN).attached
    assert any(secret in found.content for secret in SECRETS) is keep


@pytest.mark.parametrize("contents", [None, {}])
def test_where_a_file_cant_be_read_the_notification_goes_without_it(
    local: Stage, contents: dict[str, bytes] | None
) -> None:
    container = FilesContainer(site_with(local, files=FileRules(3, 1000, ("image",))), Bucket(contents))
    asked = replace(PLAIN, files=(FILE,))
    assert container.with_attachments(asked, "pushover", FUNCTION_ARN) == asked


def test_a_kind_that_carries_no_files_reads_none(local: Stage) -> None:
    container = FilesContainer(local, Bucket({KEY: photo()}))
    assert container.with_attachments(replace(PLAIN, files=(FILE,)), "webhook", FUNCTION_ARN).attached == ()
