"""The link that opens an answer in the owner's mail program: https://www.rfc-editor.org/rfc/rfc6068"""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.logic import pushover_parameters, webhook_request
from chalicelib.logic.notification import Notification
from chalicelib.logic.reply_link import MAX_LINK, reply_link
from tests.declared import body_of, declared_channel


def asked(address: str = "ada@example.com", message: str = "Hello!\nBye", subject: str = "") -> Notification:
    fields = (("subject", subject),) if subject else ()
    return Notification("id-1", "New message", message, reply_to=address, fields=fields, site="www.example.com")


def opened(link: str) -> tuple[str, dict[str, list[str]]]:
    """What a mail program makes of a link: the recipient, and the headers."""
    url = urlsplit(link)
    assert url.scheme == "mailto"
    return unquote(url.path), parse_qs(url.query, strict_parsing=True)


def test_the_answer_goes_to_the_visitor_about_their_subject_and_quotes_them() -> None:
    headers = {"subject": ["Re: Chairs"], "body": ["\r\n\r\n> Hello!\r\n> Bye"]}
    assert opened(reply_link(asked(subject="Chairs"))) == ("ada@example.com", headers)


def test_without_a_subject_the_answer_names_the_site() -> None:
    assert opened(reply_link(asked()))[1]["subject"] == ["Re: www.example.com"]


@pytest.mark.parametrize("address", [
    "", "a,b@example.com", "ada@example.com,eve@evil.example", "ada@example.com;eve@evil.example",
    "ada?bcc=eve@evil.example", "ada@example.com?bcc=eve@evil.example", "ada&cc=eve@evil.example",
    "ada%0d%0abcc%3aeve@evil.example", "ada%2ceve@evil.example", "ada\r\nBcc: eve@evil.example", "ada@example.com\n",
    '"a b"@example.com', "ada#x@example.com", "<ada@example.com>", "ada|x@example.com", "n/a",
])  # fmt: skip
def test_an_address_that_may_mean_more_than_itself_gets_no_link(address: str) -> None:
    assert reply_link(asked(address)) == ""


@pytest.mark.parametrize("address", ["ada.b+c@example.co.uk", "o'neil@example.com", "jürgen@bücher.example"])
def test_an_ordinary_address_is_the_only_recipient(address: str) -> None:
    link = reply_link(asked(address))
    assert opened(link)[0] == address
    assert re.fullmatch(r"mailto:[A-Za-z0-9._~%@-]+\?subject=[A-Za-z0-9._~%-]+&body=[A-Za-z0-9._~%-]+", link)


@given(subject=st.text(), message=st.text(), address=st.sampled_from(["ada@example.com", "x" * 200 + "@example.com"]))
def test_nothing_that_was_typed_adds_a_header_and_no_link_is_too_long(subject: str, message: str, address: str) -> None:
    link = reply_link(asked(address, message, subject))
    assert len(link) <= MAX_LINK
    if link:
        to, headers = opened(link)
        assert to == address
        assert set(headers) == {"subject", "body"}
        assert not set("\r\n") & set(headers["subject"][0])
        assert all(line == "" or line.startswith("> ") for line in headers["body"][0].split("\r\n"))


def test_a_long_message_is_quoted_as_far_as_there_is_room() -> None:
    link = reply_link(asked(message="Möbel und Stühle\n" * 100))
    assert MAX_LINK - 20 < len(link) <= MAX_LINK
    body = opened(link)[1]["body"][0]
    assert body.startswith("\r\n\r\n> Möbel und Stühle\r\n> Möbel")
    assert body.endswith("…")


def test_a_link_is_percent_encoded_but_for_the_address_and_holds_no_half_character() -> None:
    link = reply_link(asked(subject="a/b\ud800c", message="\udfffx/y\nz"))
    assert link == "mailto:ada@example.com?subject=Re%3A%20a%2Fb%20c&body=%0D%0A%0D%0A%3E%20x%2Fy%0D%0A%3E%20z"


def test_a_quotation_fills_the_room_that_address_and_subject_leave_it() -> None:
    mark = "%E2%80%A6"
    room = MAX_LINK - len(reply_link(asked(message="")))
    assert reply_link(asked(message="x" * room)) == reply_link(asked(message="")) + "x" * room
    cut = reply_link(asked(message="x" * (room + 1)))
    assert (len(cut), cut[-len(mark) :]) == (MAX_LINK, mark)
    for length in range(400, 480):
        address = "x" * length + "@example.com"
        head = f"mailto:{address}?subject=Re%3A%20S&body=%0D%0A%0D%0A"
        link = reply_link(asked(address, "y" * 500, "S"))
        if len(head) > MAX_LINK:
            assert link == ""
        elif len(head) + len("%3E%20") + len(mark) < MAX_LINK:
            assert (len(link), link[-len(mark) :]) == (MAX_LINK, mark)
        else:
            assert link == head


def test_pushover_shows_it_below_the_message_and_says_where_it_goes() -> None:
    shown = {"url": reply_link(asked()), "url_title": "Reply to ada@example.com"}
    assert pushover_parameters.make_reply(asked()) == shown
    assert pushover_parameters.make_reply(asked("")) == {}


def test_slack_shows_it_as_a_link_that_ends_where_it_should() -> None:
    it = asked(message="<!channel> & more")
    text = str(webhook_request.slack(it)["text"])
    assert text.endswith(f"\n\n<{reply_link(it).replace('&', '&amp;')}|Reply to ada@example.com>")
    assert text.count("<mailto:") == 1
    assert "<!channel>" not in text
    assert "mailto" not in str(webhook_request.slack(asked("")))


def test_slacks_limit_holds_with_the_link() -> None:
    assert len(str(webhook_request.slack(asked(message="x" * 40_000))["text"])) <= 4_000


def test_ntfy_shows_it_as_a_button() -> None:
    body = body_of(asked(), declared_channel("ntfy"))
    assert body["actions"] == [{"action": "view", "label": "Reply", "url": reply_link(asked())}]
    assert "actions" not in body_of(asked(""), declared_channel("ntfy"))
