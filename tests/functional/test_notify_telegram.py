"""What Telegram is sent: https://core.telegram.org/bots/api#sendmessage"""

from __future__ import annotations

import json

import pytest

from chalicelib.adapters.providers import kind_of
from chalicelib.logic.notification import Notification
from tests.declared import body_of, declared_channel, http_of, request_of
from tests.fakes import NOW
from tests.functional.conftest import Provider
from tests.functional.notifiers import declared

TOKEN = "123456789:" + "A" * 35
IT = Notification("id-1", "A title", "Hello *you* <b>", fields=(("name", "Ada"),))


def utf_16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def test_the_title_is_the_first_line_of_a_plain_text_without_previews() -> None:
    request = request_of(IT, declared_channel("telegram"))
    assert request.url == f"https://api.telegram.org/bot{TOKEN}/sendMessage"
    assert json.loads(request.body) == {
        "chat_id": "987654321",
        "text": "A title\n\nHello *you* <b>\n\nName: Ada",
        "link_preview_options": {"is_disabled": True},
    }


def test_silence_a_topic_and_a_button_are_the_channels_or_the_requests() -> None:
    it = declared_channel("telegram", silent=True, thread=7, link="https://example.com/inbox", link_title="Inbox")
    body = body_of(IT, it)
    assert (body["disable_notification"], body["message_thread_id"]) == (True, 7)
    assert body["reply_markup"] == {"inline_keyboard": [[{"text": "Inbox", "url": "https://example.com/inbox"}]]}
    link = f"https://example.com/{'x' * 50}"
    untitled = body_of(IT, declared_channel("telegram", link=link))
    assert untitled["reply_markup"] == {"inline_keyboard": [[{"text": link[:64], "url": link}]]}
    loud = Notification("id-1", "T", "Hi", options={"silent": False, "link": "https://example.com/1"})
    assert "disable_notification" not in body_of(loud, it)
    assert body_of(loud, it)["reply_markup"]["inline_keyboard"][0][0]["url"] == "https://example.com/1"


@pytest.mark.parametrize(
    ("link_title", "link", "mistakes"),
    [
        ("Inbox", None, {"link_title": "only with link"}),
        ("Inbox", "https://example.com", {}),
        (None, "https://example.com", {}),
        (None, None, {}),
    ],
)
def test_a_button_has_no_title_without_an_address(
    link_title: str | None, link: str | None, mistakes: dict[str, str]
) -> None:
    assert kind_of("telegram").mistakes({"link_title": link_title, "link": link}) == mistakes


def test_only_a_low_priority_is_silent() -> None:
    priorities = kind_of("telegram").priorities
    assert {name: options["silent"] for name, options in priorities.items()} == {
        "low": True,
        "normal": False,
        "high": False,
        "emergency": False,
    }


@pytest.mark.parametrize("piece", ["x", "я", "🚀", "a\n"])
def test_title_and_message_together_have_at_most_4096_utf_16_units(piece: str) -> None:
    text = body_of(Notification("id-1", piece * 300, piece * 9_000, NOW), declared_channel("telegram"))["text"]
    assert 3_900 < utf_16(text) <= 4_096


def test_a_check_asks_for_the_chat_and_shows_nothing_in_it(provider: Provider, session: object) -> None:
    rig = declared("telegram", provider.url, session)  # type: ignore[arg-type]
    provider.body = b'{"ok":true,"result":{"id":987654321,"type":"private"}}'
    rig.invoke(check=True)
    assert provider.paths == [f"/bot{TOKEN}/getChat"]
    assert json.loads(provider.bodies[0]) == {"chat_id": "987654321"}


@pytest.mark.parametrize("answer", ['{"ok":false,"result":{"message_id":1}}', '{"ok":true,"result":{}}'])
def test_only_an_ok_with_a_message_id_is_an_acceptance(answer: str) -> None:
    assert not http_of("telegram").reference(json.loads(answer))


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("token", [TOKEN], ["123456789", "bot" + TOKEN, f"{TOKEN}\n"]),
        ("chat_id", ["1", "-1001234567890", "@my_channel"], ["me", "@x", "https://t.me/me", "1 2"]),
    ],
)
def test_a_secret_has_telegrams_form(name: str, right: list[str], wrong: list[str]) -> None:
    (secret,) = (each for each in kind_of("telegram").secrets if each.name == name)
    for value in right:
        secret.check(value, False)
    for value in wrong:
        with pytest.raises(ValueError, match="expected"):
            secret.check(value, False)
