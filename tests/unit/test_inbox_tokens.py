"""The signed tokens of the inbox: a link's and a session's come back as they were made, and nothing else is one."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace
from string import ascii_letters, digits

import pytest

from chalicelib.logic.inbox_links import Link, link_address, link_token, read_link
from chalicelib.logic.inbox_sessions import Session, read_session, session_token
from chalicelib.logic.inbox_tokens import MAX_TOKEN, InvalidTokenError, hashed, read_signed, signed
from chalicelib.logic.spam import subkey
from tests.fakes import NOW

KEY = "k" * 43
ALPHABET = f"{ascii_letters}{digits}-_+/ \n"
LINK, SESSION = Link("pushöver", "id-1", NOW, "nonce"), Session("pushover", "secret", NOW)


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed_by_hand(text: bytes) -> str:
    return f"{base64url(text)}.{base64url(hmac.digest(subkey(KEY, 'inbox'), text, 'sha256'))}"


def test_a_token_is_short_json_and_its_signature() -> None:
    for nonce in ("", "n", "no", "ü?>~"):
        text = f'["link","dev","pushöver","id-1",{NOW},"{nonce}"]'.encode()
        token = link_token(replace(LINK, nonce=nonce), "dev", KEY)
        assert token == signed_by_hand(text)
        assert read_link(token, "dev", KEY) == replace(LINK, nonce=nonce)
    assert session_token(SESSION, "dev", KEY) == signed_by_hand(f'["session","dev","pushover","secret",{NOW}]'.encode())
    assert signed(["a", "b"], KEY) == signed_by_hand(b'["a","b"]')


def test_a_session_comes_back_until_it_is_over() -> None:
    token = session_token(SESSION, "dev", KEY)
    assert read_session(token, "dev", KEY, NOW - 1) == SESSION
    with pytest.raises(InvalidTokenError, match=r"^over$"):
        read_session(token, "dev", KEY, NOW)


GOOD = link_token(LINK, "dev", KEY)


@pytest.mark.parametrize(
    ("token", "said"),
    [
        *(("", "not a token"), (GOOD.replace(".", ""), "not a token"), ("ü.ü", "not a token")),
        *((f"{'a' * MAX_TOKEN}.", "not a token"), (f"{'A' * (MAX_TOKEN - 1)}.", "not signed"), ("a.", "not base64")),
        *((f"{GOOD}!", "not base64"), (f"\n{GOOD}", "not base64")),
        (GOOD.replace("_", "/").replace("-", "+") + "==", "not base64"),
        (f"{GOOD[:-4]}AAA{GOOD[-1]}", "not signed"),
        (link_token(LINK, "dev", "another" * 6), "not signed"),
        (".", "not signed"),
        (link_token(LINK, "prod", KEY), "of something else"),
        (session_token(SESSION, "dev", KEY), "of something else"),
        (signed(["link", "dev", "a", "b", 1], KEY), "of something else"),
        (signed(["link", "dev", "a", "b", 1, "c", "d"], KEY), "of something else"),
    ],
)
def test_what_this_stage_did_not_sign_for_this_is_refused_with_the_reason(token: str, said: str) -> None:
    with pytest.raises(InvalidTokenError) as caught:
        read_link(token, "dev", KEY)
    assert str(caught.value) == said


@pytest.mark.parametrize("made", [f'["link","dev","a","b",1,"{nonce}"]' for nonce in ("", "n", "no")])
def test_a_token_has_one_text_as_a_link_is_used_up_by_it(made: str) -> None:
    """Also where base64 has others for the same bytes: unused bits of its last character, and padding."""
    token = signed_by_hand(made.encode())
    others = {f"{token[: end - 1]}{other}{token[end:]}" for end in (token.index("."), len(token)) for other in ALPHABET}
    others |= {token.replace(".", f"{pad}.") + more for pad in ("", "=", "==") for more in ("", "=", "==")}
    assert read_link(token, "dev", KEY)
    for other in others - {token}:
        with pytest.raises(InvalidTokenError):
            read_link(other, "dev", KEY)


def test_a_token_may_be_as_long_as_it_says() -> None:
    length = next(n for n in range(MAX_TOKEN) if len(signed(["a", "b", "x" * n], KEY)) == MAX_TOKEN)
    token = signed(["a", "b", "x" * length], KEY)
    assert read_signed(token, "a", "b", KEY, 1) == ["x" * length]


def test_an_address_is_the_inbox_s_and_the_table_holds_no_secret() -> None:
    parameters = {"spam/key": KEY, "resources/inbox": "https://inbox.example.com/"}
    assert link_address(LINK, "dev", parameters) == f"https://inbox.example.com/open?token={GOOD}"
    assert hashed("secret") == hashlib.sha256(b"secret").hexdigest()
    assert SESSION.csrf == hashlib.sha256(b"csrf secret").hexdigest()
