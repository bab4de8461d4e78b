"""What an Apprise API server is sent: https://github.com/caronc/apprise-api#persistent-stateful-storage-solution"""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.adapters.providers import kind_of
from chalicelib.errors import ChannelUnavailableError
from chalicelib.logic.channel_kind import Request, RequestInputs
from chalicelib.logic.notification import Notification
from tests.declared import body_of, declared_channel, http_of, request_of, secrets_of
from tests.functional.conftest import Provider
from tests.functional.notifiers import declared

URL = "https://apprise.example.com/"
IT = Notification("id-1", "A title", "Hello <b>you</b>", fields=(("name", "Ada"),))


def test_a_message_goes_as_plain_text_below_the_key_and_its_log_is_not_asked_for() -> None:
    request = request_of(IT, declared_channel("apprise", URL))
    assert request.url == "https://apprise.example.com/notify/herald-local-key"
    assert request.headers == {"Accept": "application/json", "X-Apprise-Log-Level": "CRITICAL"}
    assert json.loads(request.body) == {
        "title": "A title",
        "body": "Hello <b>you</b>\n\nName: Ada",
        "format": "text",
        "type": "info",
    }


def test_tag_and_type_are_the_channels_and_a_request_may_choose_the_type() -> None:
    it = declared_channel("apprise", URL, tag="phone, admin".replace(", ", ","), type="warning")
    assert (body_of(IT, it)["tag"], body_of(IT, it)["type"]) == ("phone,admin", "warning")
    urgent = Notification("id-1", "T", "Hi", options={"type": "failure"})
    assert body_of(urgent, it)["type"] == "failure"


def test_only_a_protected_server_is_sent_the_login() -> None:
    it = declared_channel("apprise", URL, protected=True)
    request = request_of(IT, it)
    login = {"Authorization": "Basic aGVyYWxkOmxvY2FsLXBhc3N3b3Jk"}
    assert request.headers.items() >= login.items(), "RFC 7617, 2"
    assert b"local-password" not in request.body
    check = http_of("apprise").check(RequestInputs(it, secrets_of(it), it.options))  # type: ignore[misc]
    address = f"{URL}json/urls/herald-local-key?privacy=1"
    assert check == Request(address, headers={"Accept": "application/json"} | login)


def test_a_check_asks_for_the_keys_addresses_without_their_secrets(provider: Provider, session: Any) -> None:
    rig = declared("apprise", provider.url, session)
    provider.body = b'{"tags": [], "urls": []}'
    rig.invoke(check=True)
    assert provider.paths == ["/json/urls/herald-local-key?privacy=1"]
    provider.status, provider.body = 204, b""
    with pytest.raises(ChannelUnavailableError, match="answered 204"):
        rig.invoke(check=True)


def test_a_priority_becomes_the_type_of_a_message() -> None:
    types = {name: options["type"] for name, options in kind_of("apprise").priorities.items()}
    assert types == {"low": "info", "normal": "info", "high": "warning", "emergency": "failure"}


@pytest.mark.parametrize("answer", [{}, {"error": None}, {"error": "None was sent", "details": []}])
def test_only_an_answer_without_an_error_is_an_acceptance(answer: dict[str, object]) -> None:
    assert not http_of("apprise").reference(answer)
    assert http_of("apprise").reference({"error": None, "details": []}) == "accepted"
