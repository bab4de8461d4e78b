"""Answers in the format of whoever asks: pieces of HTML for htmx, and what the scripts of other services look for."""

from __future__ import annotations

import json
import re
from urllib.parse import urlencode

import pytest
from chalice.test import HTTPResponse

from tests.error_page import Page
from tests.functional.conftest import Form

HOME = "http://127.0.0.1:8080"
FORM = "application/x-www-form-urlencoded"
FETCH = {"Accept": "*/*", "Sec-Fetch-Mode": "cors"}
HTMX_2 = {**FETCH, "HX-Request": "true", "HX-Current-URL": f"{HOME}/"}
"""htmx 1 and 2, whose form and target have no id: htmx.org@2.0.11, ``getHeaders``."""
HTMX_4 = {**FETCH, "Accept": "text/html", "HX-Request": "true", "HX-Source": "form#f", "HX-Request-Type": "partial"}
"""htmx.org@4.0.1, ``#createCoreHeaders``."""


def send(
    form: Form, headers: dict[str, str], fields: dict[str, str], path: str = "/contact", origin: str = HOME
) -> HTTPResponse:
    headers = {"Content-Type": FORM, "Origin": origin, "Accept-Language": "en", **headers}
    return form.post(urlencode(fields).encode(), headers, path)


@pytest.mark.parametrize("headers", [HTMX_2, HTMX_4], ids=["1 and 2", "4"])
def test_htmx_gets_a_piece_of_html_that_says_that_the_message_is_on_its_way(
    form: Form, headers: dict[str, str]
) -> None:
    response = send(form, headers, {"message": "Hi"})
    assert (response.status_code, len(form.published)) == (200, 1)
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.body.decode() == '<p role="status" lang="en" dir="ltr">Thank you: your message is on its way.</p>'
    assert not [name for name in response.headers if name.startswith("HX-")], "it stands where the page has it put"


@pytest.mark.parametrize(
    ("headers", "status", "place"),
    [
        (HTMX_2, 200, "afterbegin show:top"),
        ({**HTMX_2, "HX-Trigger": "f", "HX-Target": "f"}, 200, "afterbegin show:top"),
        ({**HTMX_2, "HX-Trigger": "f", "HX-Target": "result"}, 200, "innerHTML"),
        ({**HTMX_4, "HX-Target": "form#f"}, 422, "afterbegin show:top"),
        ({**HTMX_4, "HX-Target": "body", "HX-Boosted": "true"}, 422, "afterbegin show:top"),
        ({**HTMX_4, "HX-Target": "div#result"}, 422, "innerHTML"),
    ],
)
def test_an_error_is_put_where_htmx_shows_it_and_never_in_the_place_of_the_form(
    form: Form, headers: dict[str, str], status: int, place: str
) -> None:
    response = send(form, headers, {"email": "<b>nobody", "message": "Hi"})
    assert (response.status_code, form.published) == (status, [])
    html = response.body.decode()
    assert 'role="alert"' in html
    assert "<li>Email: This is not an email address such as name@example.com.</li>" in html
    assert "<b>" not in html, "what was typed is text"
    assert not re.search("<(input|textarea|form|script)", html), "it would be sent with the form"
    assert response.headers["HX-Reswap"] == place
    boosted = "HX-Boosted" in headers
    assert response.headers.get("HX-Push-Url") == ("false" if boosted else None)
    exposed = response.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"HX-Reswap", "HX-Push-Url"} <= set(exposed), "or htmx can't read it"
    # A page that takes the 200 for success empties its form.
    assert ("nobody" in html) is (status == 200)


def test_htmx_is_told_that_the_topic_refused_and_that_the_page_may_not_send(refusing_form: Form, form: Form) -> None:
    refused = send(refusing_form, HTMX_4, {"message": "Hi"})
    foreign = send(form, HTMX_2, {"message": "Hi"}, origin="https://evil.example")
    assert refused.status_code == 503
    assert "Please send it again in a minute." in refused.body.decode()
    assert "This form may not be sent from that page." in foreign.body.decode()
    assert "Access-Control-Allow-Origin" not in foreign.headers


def test_a_boosted_form_goes_on_to_the_next_page_as_a_browsers_own_does(form: Form) -> None:
    response = send(form, {**HTMX_2, "HX-Boosted": "true"}, {"message": "Hi", "_next": f"{HOME}/next.html"})
    assert (response.status_code, response.headers["HX-Redirect"]) == (200, f"{HOME}/next.html")
    assert "HX-Redirect" in response.headers["Access-Control-Expose-Headers"].split(", ")


ORIGINAL = {"source": "Home page\nof the site", "name": "Ada", "email": "n/a", "description": "Hi\nthere"}


def original(form: Form) -> HTTPResponse:
    return form.post(json.dumps(ORIGINAL).encode(), {})


def test_a_client_of_the_predecessor_is_served_as_before(form: Form) -> None:
    response = original(form)
    assert response.status_code == 200
    assert response.json_body["http_code"] == 200
    assert response.json_body["message"] == "Thank you: your message is on its way."
    kept = {"source": "Home page of the site", "name": "Ada", "email": "n/a", "message": "Hi\nthere"}
    assert form.message["fields"] == kept


def test_a_form_of_the_same_fields_that_is_no_json_has_its_address_checked(form: Form) -> None:
    response = send(form, FETCH, ORIGINAL)
    assert [error["code"] for error in response.json_body["errors"]] == ["TYPE_EMAIL"]


def test_a_refusal_of_the_predecessors_client_has_its_own_words(refusing_form: Form) -> None:
    response = original(refusing_form)
    assert response.status_code == 503
    assert response.json_body["http_code"] == 503
    assert response.json_body["error"] == response.json_body["title"]


@pytest.mark.parametrize("path", ["/f/default", "/f/default.json"])
def test_scripts_of_basin_and_getform_read_success_and_error(form: Form, path: str) -> None:
    accepted = send(form, FETCH, {"message": "Hi"}, path)
    refused = send(form, FETCH, {"message": ""}, path)
    assert (accepted.status_code, accepted.json_body["success"]) == (200, True)
    assert (refused.status_code, refused.json_body["error"]) == (422, "Some fields need another look.")


def test_json_that_curl_calls_a_form_is_answered_with_json(form: Form) -> None:
    response = form.post(b'{"message": "Hi"}', {"Content-Type": FORM, "Accept": "*/*"})
    assert (response.status_code, response.json_body["status"]) == (202, "accepted")


@pytest.mark.parametrize("path", ["/contact", "/contact/default", "/f/default"])
def test_a_form_without_its_method_is_told_so_by_a_page_that_keeps_what_was_typed(form: Form, path: str) -> None:
    headers = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Accept-Language": "en"}
    opened = form.request("GET", path, headers)
    sent = form.request("GET", f"{path}?message=Hi%3Cb%3E&name=Ada", headers)
    for response in (opened, sent):
        assert (response.status_code, response.headers["Allow"]) == (405, "POST, OPTIONS")
        assert "This form needs method=&quot;post&quot;" in response.body.decode()
    assert "Nothing was sent" in opened.body.decode()
    assert "Hi&lt;b&gt;" in sent.body.decode()


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD"])
def test_a_script_with_another_method_gets_json_and_those_that_there_are_and_nothing_is_published(
    form: Form, method: str
) -> None:
    response = form.request(method, "/contact?message=Hi", {**FETCH, "Origin": HOME}, b"message=Hi")
    unknown = form.request(method, "/contact/nowhere", FETCH)
    assert (response.status_code, unknown.status_code) == (405, 404)
    assert (response.headers["Allow"], form.published) == ("POST, OPTIONS", [])
    assert response.headers["Access-Control-Allow-Origin"] == HOME
    if method != "HEAD":
        assert response.json_body["errors"][0]["code"] == "method_not_allowed"


def test_a_wish_without_a_host_is_completed_by_the_forms_page(form: Form) -> None:
    fields = {"message": "Hi", "_next": "danke schön.html"}
    whole = send(form, {"Sec-Fetch-Mode": "navigate", "Referer": f"{HOME}/kontakt/"}, fields)
    origin_alone = send(form, {"Sec-Fetch-Mode": "navigate", "Referer": "https://evil.example/x/"}, fields)
    assert whole.headers["Location"] == f"{HOME}/kontakt/danke%20sch%C3%B6n.html"
    assert origin_alone.headers["Location"] == f"{HOME}/danke%20sch%C3%B6n.html"


@pytest.mark.parametrize("name", ["_next", "REDIRECT"])
def test_a_wish_is_completed_by_the_forms_page_also_where_the_page_of_mistakes_sends_it(form: Form, name: str) -> None:
    fields = [("message", ""), (name, " "), (name, "danke schön.html")]
    headers = {"Content-Type": FORM, "Sec-Fetch-Mode": "navigate"}
    refused = form.post(urlencode(fields).encode(), {**headers, "Referer": f"{HOME}/kontakt/"})
    again = [(name, text or "Hi") for name, text in Page(refused.body.decode()).sent_again]
    api = "https://api.example.com"
    ours = {"Referer": f"{api}/contact", "Origin": api, "Host": "api.example.com"}
    accepted = form.post(urlencode(again).encode(), headers | ours)
    assert accepted.headers["Location"] == f"{HOME}/kontakt/danke%20sch%C3%B6n.html"


def test_the_script_of_bootstrapmades_templates_gets_the_word_that_it_waits_for(form: Form) -> None:
    headers = {"Origin": HOME, "Accept": "*/*", "Sec-Fetch-Mode": "cors", "X-Requested-With": "XMLHttpRequest"}
    headers["Content-Type"] = "multipart/form-data; boundary=XyZ"
    part = '--XyZ\r\nContent-Disposition: form-data; name="message"\r\n\r\n{}\r\n--XyZ--\r\n'
    accepted, refused = (form.post(part.format(text).encode(), headers) for text in ("Hi", ""))
    as_json = form.post(part.format("Ho").encode(), {**headers, "Accept": "application/json"})
    assert (accepted.status_code, accepted.body) == (200, b"OK")
    assert accepted.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert (refused.status_code, refused.json_body["title"]) == (422, "Some fields need another look.")
    assert (as_json.status_code, as_json.json_body["status"]) == (202, "accepted")
