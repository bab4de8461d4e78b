"""Forms of every kind, through the gateway: what it does to bytes and headers can't be seen any nearer."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
import requests

from tests.e2e.harness import PATIENCE, Harness, marker, wait_for

BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
FOREIGN = "https://evil.example"


def multipart(charset: str, **fields: str) -> bytes:
    """A body as browsers write it for a page in this charset."""
    parts = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
        for name, text in fields.items()
    )
    return f"{''.join(parts)}--{BOUNDARY}--\r\n".encode(charset)


def send(herald: Harness, body: bytes | str, path: str = "/contact", **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.post(herald.urls["api"] + path, data=body, headers=named, allow_redirects=False, timeout=PATIENCE)


def origin_of(herald: Harness) -> str:
    return herald.stage.sites["default"].origins[0]


@pytest.mark.parametrize(
    ("charset", "parameter", "text"),
    [
        ("utf-8", "", "Grüße, Юлия 🚀 שלום"),
        ("utf-8", "; charset=UTF-8", "Grüße, Юлия 🚀 שלום"),
        ("iso-8859-1", "; charset=ISO-8859-1", "Grüße àéîõ ¿§ÿ"),
        ("windows-1252", "; charset=windows-1252", "Grüße „100 €“"),
    ],
)
def test_multipart_arrives_as_it_was_typed_in_any_charset(
    herald: Harness, charset: str, parameter: str, text: str
) -> None:
    """Bytes that are not UTF-8 survive only if the gateway hands them on in base64."""
    word = marker()
    answer = send(
        herald,
        multipart(charset, name=text, **{"Größe": text}, message=f"{word}\r\n{text}"),
        Content_Type=f"multipart/form-data; boundary={BOUNDARY}{parameter}",
        Accept="application/json",
    )
    assert answer.status_code == 202, answer.text
    push = wait_for(lambda: herald.pushes(word), "push")[0]
    assert push["message"] == f"{word}\n{text}\n\nName: {text}\nSite: default\n\n› Größe: {text}"
    fields = json.loads(herald.published(answer.json()["id"]))["fields"]
    assert fields == {"name": text, "Größe": text, "message": f"{word}\n{text}"}


def test_extra_fields_show_on_the_phone_and_lead_nobody_elsewhere(herald: Harness) -> None:
    word = marker()
    own = origin_of(herald)
    answer = herald.post_form(
        "/f/default",
        _subject="A question",
        _replyto="ada@example.com",
        _next=f"{own}/done.html",
        _cc="other@example.com",
        _gotcha="",
        Telefon="0170 1234567",
        message=word,
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{own}/done.html")
    push = wait_for(lambda: herald.pushes(word), "push")[0]
    assert push["title"] == "New message: default"
    assert push["message"] == (
        f"{word}\n\nEmail: ada@example.com\nSubject: A question\nSite: default\n\n› Telefon: 0170 1234567"
    )


def test_formsprees_address_answers_as_its_library_expects(herald: Harness) -> None:
    word = marker()
    own = origin_of(herald)
    answer = send(
        herald,
        json.dumps({"email": "ada@example.com", "message": word}),
        "/f/default",
        Content_Type="application/json",
        Accept="application/json",
        Origin=own,
        Formspree_Session_Data="e30=",
    )
    assert (answer.status_code, answer.json()["ok"]) == (200, True)
    assert answer.json()["next"] == herald.stage.sites["default"].thanks
    assert (answer.headers["Access-Control-Allow-Origin"], answer.headers["Vary"]) == (own, "Origin")
    wait_for(lambda: herald.pushes(word), "push")
    refused = send(herald, "{}", "/f/default", Content_Type="application/json", Accept="application/json", Origin=own)
    assert refused.status_code == 422
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.headers["Access-Control-Allow-Origin"] == own
    assert refused.json()["errors"] == [
        {"code": "REQUIRED_FIELD_MISSING", "field": "message", "message": "This field is required."}
    ]


@pytest.mark.parametrize("path", ["/contact", "/contact/default", "/f/default"])
def test_a_preflight_allows_the_sites_own_pages_alone(herald: Harness, path: str) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    url = herald.urls["api"] + path
    own = origin_of(herald)
    allowed = requests.options(url, headers={**asked, "Origin": own}, timeout=PATIENCE)
    assert (allowed.status_code, allowed.content) == (204, b"")
    assert (allowed.headers["Access-Control-Allow-Origin"], allowed.headers["Vary"]) == (own, "Origin")
    assert allowed.headers["Access-Control-Allow-Methods"] == "POST"
    assert "content-type" in allowed.headers["Access-Control-Allow-Headers"].lower().split(", ")
    for origin in (FOREIGN, "null"):
        refused = requests.options(url, headers={**asked, "Origin": origin}, timeout=PATIENCE)
        assert refused.status_code == 403
        assert not [name for name in refused.headers if name.lower().startswith("access-control-")]


def test_a_foreign_page_publishes_nothing(herald: Harness) -> None:
    for origin in (FOREIGN, "null"):
        answer = send(herald, json.dumps({"message": marker()}), Content_Type="application/json", Origin=origin)
        assert answer.status_code == 403
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    # A message that is accepted afterwards has passed everything that could have come of those before.
    word = marker()
    herald.post_form(message=word)
    wait_for(lambda: herald.pushes(word), "push")
    assert herald.provider_requests() == 1


def test_a_browser_gets_a_page_and_can_send_from_there(herald: Harness) -> None:
    word = marker()
    form = {"Content_Type": "application/x-www-form-urlencoded", **BROWSER}
    fields = {"name": "Юлия <b>", "email": "nobody", "message": word}
    answer = send(herald, urlencode(fields), Accept_Language="de-AT,de;q=0.9", **form)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Language"] == "de"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    page = answer.content.decode()
    assert '<html lang="de" dir="ltr">' in page
    assert "Das ist keine E-Mail-Adresse wie name@example.com." in page
    assert "Юлия &lt;b&gt;" in page
    assert word in page
    # The page is ours: a browser names the API itself as the origin.
    ours = "/".join(herald.urls["api"].split("/")[:3])
    again = send(herald, urlencode(fields | {"email": "ada@example.com"}), Origin=ours, **form)
    assert again.status_code == 303
    wait_for(lambda: herald.pushes(word), "push")


def test_health(herald: Harness) -> None:
    answer = requests.get(f"{herald.urls['api']}/health", timeout=PATIENCE)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
