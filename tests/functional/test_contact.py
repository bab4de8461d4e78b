"""The form's address: what a visitor's browser or program is told, and what is published."""

from __future__ import annotations

import base64
import json
import re
from types import ModuleType
from typing import Any
from urllib.parse import quote_from_bytes, urlencode

import pytest
from botocore.exceptions import EndpointConnectionError
from chalice.test import Client

from chalicelib.adapters.topic import SnsTopic
from chalicelib.composition import Topic, override_container
from chalicelib.settings import Stage
from chalicelib.texts import texts
from tests.error_page import Page
from tests.fakes import FUNCTION_ARN, NOW, FakeContainer, Published
from tests.functional.conftest import JSON, Form, Stubbed
from tests.functional.test_adapters import break_at

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
"""What browsers send when a form is posted without JavaScript."""
FORM = {"Content-Type": "application/x-www-form-urlencoded", **BROWSER}
PROGRAM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=XyZ"}
HOME = "http://127.0.0.1:8080"
"""The origin of the local stage's site."""
FOREIGN = "https://evil.example"
GOOD = {"source": "home", "name": "Юлия", "email": "j@example.com", "message": 'Hi "you"\n🚀'}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def body_of(**fields: object) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode()


def parts(*fields: tuple[str, str], file: str = "") -> bytes:
    """A multipart body as browsers write it; ``file`` is the name of a file field."""
    text = "".join(
        f'--XyZ\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields
    )
    if file:
        text += (
            f'--XyZ\r\nContent-Disposition: form-data; name="{file}"; filename="a.txt"\r\n'
            "Content-Type: text/plain\r\n\r\nHi\r\n"
        )
    return f"{text}--XyZ--\r\n".encode()


def site_with(stage: Stage, **changes: Any) -> Stage:
    """The stage, its default site changed."""
    return stage._replace(sites={**stage.sites, "default": stage.sites["default"]._replace(**changes)})


def page_of(response: Any) -> Page:
    """The error page, which nothing may execute or load from elsewhere."""
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert response.headers["Cache-Control"] == "no-store"
    page = Page(response.body.decode())
    assert page.top.all("script", "img", "link", "iframe", "object") == []
    assert all(page.label(each) for each in page.controls if each.attributes["name"] not in page.hidden)
    assert page.language == response.headers["Content-Language"]
    return page


def post(client: Client, stage: Stage, topic: Topic, body: bytes, path: str = "/contact") -> Any:
    with override_container(FakeContainer(stage, topic=topic)):
        return client.http.post(path, headers=JSON, body=body)


# Twice is once


def test_a_key_makes_the_same_id_for_the_same_message_and_another_for_any_other(form: Form) -> None:
    def id_of(key: str, path: str = "/contact", body: bytes = b'{"message": "Hi"}') -> str:
        headers = {**JSON, **({"Idempotency-Key": key} if key else {})}
        response = form.post(body, headers, path)
        assert response.status_code == 202
        return str(response.json_body["id"])

    key = "0e2d6f0a-77f8-4b49-9a0c-6a1f6c4f7f11"
    first = id_of(key)
    assert id_of(key) == first
    assert id_of(f"  {key} ") == first
    assert json.loads(form.published[0].text)["id"] == first
    assert id_of(key + "2") != first
    assert id_of(key, body=b'{"message": "Hi!"}') != first
    sites = form.stage.sites
    form.stage = form.stage._replace(sites={**sites, "shop": sites["default"]._replace(name="shop")})
    assert id_of(key, "/contact/shop") != first
    assert len({id_of(""), id_of(""), id_of("   "), first}) == 4
    assert key not in first


def test_a_form_of_other_services_gets_what_the_scripts_of_each_read(form: Form) -> None:
    both = form.post(body_of(**GOOD, access_key="k"), path="/f/default")
    assert (both.status_code, both.json_body["ok"], both.json_body["success"]) == (200, True, True)
    refused = form.post(b'{"access_key": "k", "email": "nobody"}')
    assert (refused.status_code, refused.json_body["success"]) == (422, False)
    assert refused.json_body["message"] == "Some fields need another look."
    accepted = form.post(body_of(**GOOD, _captcha="false", _template="table"))
    assert (accepted.status_code, accepted.json_body["success"]) == (200, "true"), "a text, which they compare"
    assert form.post(b'{"_captcha": "false"}').json_body["success"] == "false"


# Accepted


def test_json_is_accepted_with_the_id_under_which_it_was_published(form: Form) -> None:
    response = form.post(body_of(**GOOD))
    assert response.status_code == 202
    message_id = response.json_body["id"]
    assert UUID.fullmatch(message_id)
    assert response.json_body == {"id": message_id, "status": "accepted", "next": f"{HOME}/thanks.html"}
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    text = (
        f'{{"version":1,"id":"{message_id}","site":"default","received_at":{NOW},"fields":'
        '{"source":"home","name":"Юлия","email":"j@example.com","message":"Hi \\"you\\"\\n🚀"}}'
    )
    assert form.published == [Published(text, "default", "contact", "")]


def test_nothing_that_is_sent_chooses_where_the_browser_goes_or_which_site_it_is(form: Form) -> None:
    more = {"redirect": "https://evil.example", "_next": "https://evil.example/x"}
    own = {"thanks": "x", "site": "other", "id": "x"}
    headers = {**FORM, "Host": "evil.example", "X-Forwarded-Host": "evil.example", "Referer": "https://evil.example/"}
    response = form.post(urlencode(GOOD | more | own).encode(), headers)
    assert (response.status_code, response.body) == (303, b"")
    assert response.headers["Location"] == f"{HOME}/thanks.html"
    assert "evil" not in form.published[0].text
    assert form.published[0].site == "default"
    message = form.message
    assert UUID.fullmatch(message["id"])
    assert (message["site"], message["fields"]) == ("default", GOOD | own), "what only looks like a setting is a field"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", body_of(**GOOD)),
        ("application/x-www-form-urlencoded", urlencode(GOOD).encode()),
        (MULTIPART["Content-Type"], parts(*GOOD.items())),
    ],
)
@pytest.mark.parametrize(
    ("accept", "json_of_form", "json_of_json"),
    [
        ("application/json", True, True),
        ("Application/JSON; q=0.9, */*", True, True),
        ("application/json, text/html;q=0.9", True, True),
        ("text/html; Q=0, */*", False, True),
        ("text/html;q=0.5, application/json;q=0.5", False, False),
        ("text/html;q=most, application/json;q=0.9", False, False),
        ("application/problem+json", True, True),
        (BROWSER["Accept"], False, False),
        ("application/json, text/html", False, False),
        ("*/*", False, True),
        (None, False, True),
    ],
)
def test_who_asks_for_json_gets_json_and_a_browsers_form_gets_a_page(
    form: Form, content_type: str, body: bytes, accept: str | None, json_of_form: bool, json_of_json: bool
) -> None:
    wants_json = json_of_json if content_type == "application/json" else json_of_form
    headers = {"Content-Type": content_type} | ({"Accept": accept} if accept else {})
    accepted = form.post(body, headers)
    refused = form.post(body.replace(b"j@example.com", b"nobody").replace(b"j%40", b"%40"), headers)
    assert (accepted.status_code, refused.status_code) == (202 if wants_json else 303, 422)
    assert refused.headers["Content-Type"] == ("application/problem+json" if wants_json else "text/html; charset=utf-8")
    assert form.message["fields"] == GOOD


SAFARI = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "Origin": HOME}


@pytest.mark.parametrize(
    ("sent", "wants_json"),
    [
        # A browser says what it is: then nothing else counts.
        ({"Sec-Fetch-Mode": "navigate", **BROWSER, "Origin": HOME}, False),
        ({"Sec-Fetch-Mode": "navigate", "Accept": "*/*", "Origin": HOME}, False),
        ({"Sec-Fetch-Mode": "navigate", "Accept": "application/json"}, False),
        ({"Sec-Fetch-Mode": "cors", "Accept": "*/*", "Origin": HOME}, True),
        ({"Sec-Fetch-Mode": "cors", "Accept": "text/html", "Origin": HOME}, True),
        ({"Sec-Fetch-Mode": "cors", "Accept": "text/html, */*; q=0.01", "Origin": HOME}, True),
        ({"Sec-Fetch-Mode": "same-origin", **BROWSER, "Origin": HOME}, True),
        ({"Sec-Fetch-Mode": "no-cors", "Accept": "*/*", "Origin": HOME}, True),
        # Safari before 16.4, whose forms and scripts differ in what they accept.
        (SAFARI, False),
        (SAFARI | {"Accept": "*/*"}, True),
        (SAFARI | {"Accept": "application/json, text/plain, */*"}, True),
        ({"Origin": HOME}, True),
        # Programs that are no browser.
        ({"Accept": "*/*"}, False),
        ({}, False),
    ],
)
def test_a_script_gets_json_whatever_it_accepts_and_a_navigation_goes_on_to_a_page(
    form: Form, sent: dict[str, str], wants_json: bool
) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded", **sent}
    accepted = form.post(urlencode(GOOD).encode(), headers)
    refused = form.post(b"message=", headers)
    assert (accepted.status_code, refused.status_code) == (202 if wants_json else 303, 422)
    assert refused.headers["Content-Type"] == ("application/problem+json" if wants_json else "text/html; charset=utf-8")


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "text/plain;charset=UTF-8"}])
def test_json_that_a_script_sent_without_its_type_is_accepted(form: Form, headers: dict[str, str]) -> None:
    """As by fetch with a text, XMLHttpRequest or navigator.sendBeacon, which no preflight comes before."""
    sent = {**headers, "Origin": HOME, "Sec-Fetch-Mode": "no-cors", "Accept": "*/*"}
    assert form.post(body_of(**GOOD), sent).status_code == 202
    assert form.message["fields"] == GOOD
    assert form.post(body_of(**GOOD), sent | {"Origin": FOREIGN}).status_code == 403


def test_a_form_that_declares_its_charset_is_read_in_it(form: Form) -> None:
    body = b"message=" + quote_from_bytes("山田".encode("cp932")).encode() + b"&_charset_=Shift_JIS"
    assert form.post(body, FORM).status_code == 303
    assert form.message["fields"] == {"message": "山田"}


@pytest.mark.parametrize("name", ["content-type", "CONTENT-TYPE", "Content-Type"])
def test_header_names_and_media_types_are_read_in_any_letter_case(form: Form, name: str) -> None:
    assert form.post(body_of(**GOOD), {name: "Application/JSON; Charset=UTF-8"}).status_code == 202


def test_a_site_has_an_address_fields_and_a_page_of_its_own(form: Form) -> None:
    default = form.stage.sites["default"]
    blog = default._replace(name="blog", thanks="https://blog.example.com/danke", required=("email", "Tél"))
    form.stage = form.stage._replace(sites={"default": default, "blog": blog})
    response = form.post("email=a%40example.com&Tél=7".encode(), FORM, "/contact/blog")
    assert response.headers["Location"] == "https://blog.example.com/danke"
    assert form.published[0].site == "blog"
    assert form.message["site"] == "blog"
    refused = form.post(b"email=&message=Hi", PROGRAM, "/contact/blog")
    assert [(error["field"], error["code"]) for error in refused.json_body["errors"]] == [
        ("email", "REQUIRED_FIELD_EMPTY"),
        ("Tél", "REQUIRED_FIELD_MISSING"),
    ]
    assert form.post(b"message=Hi", FORM, "/contact/default").status_code == 303


def test_formsprees_address_is_the_same_as_ours(form: Form) -> None:
    response = form.post(body_of(**GOOD), path="/f/default")
    assert response.status_code == 200, "for which scripts look that were written for it"
    assert (response.json_body["ok"], response.json_body["next"]) == (True, f"{HOME}/thanks.html")
    assert (form.published[0].site, form.message["fields"]) == ("default", GOOD)
    refused = form.post(b"{}", path="/f/default")
    assert refused.json_body["error"] == "Some fields need another look."
    assert form.post(body_of(**GOOD), path="/f/nowhere").status_code == 404


def test_health_asks_nobody(form: Form) -> None:
    response = form.request("GET", "/health", {})
    assert (response.status_code, response.json_body) == (200, {"status": "ok"})


@pytest.mark.parametrize("trap", ["_gotcha", "_honey", "botcheck", "bot-field"])
def test_a_filled_honeypot_is_a_signal_and_the_answer_is_that_of_success(form: Form, trap: str) -> None:
    filled, unfilled = (form.post(body_of(message="Hi", **{trap: value})) for value in ("on", ""))
    assert filled.status_code == unfilled.status_code
    assert filled.json_body | {"id": ""} == unfilled.json_body | {"id": ""}
    message = json.loads(form.published[0].text)
    assert (message["signals"], message["fields"]) == (["honeypot"], {"message": "Hi"})


def test_fields_that_choose_a_recipient_are_ignored_and_reported(form: Form, log: Any) -> None:
    chosen = ["_cc", "_bcc", "_to", "cc", "bcc", "ccemail", "_autoresponse", "_webhook", "webhook"]
    response = form.post(body_of(message="Hi", **dict.fromkeys(chosen, "MARKER@evil.example")))
    assert response.status_code == 200, "_autoresponse is FormSubmit's"
    assert response.json_body["ignored"] == chosen
    assert form.message["fields"] == {"message": "Hi"}
    assert log.line("Accepted")["ignored"] == chosen
    assert "MARKER" not in form.published[0].text + log.text


# Where the browser goes


@pytest.mark.parametrize(
    ("wanted", "next_page"),
    [
        (f" {HOME}/done ", f"{HOME}/done"),
        ("//two.example.com/", "https://two.example.com/"),
        ("https://two.example.com:443/ö", "https://two.example.com:443/%C3%B6"),
        ("", f"{HOME}/thanks.html"),
        ("https://two.example.com@evil.example/", f"{HOME}/thanks.html"),
        ("javascript:alert(1)", f"{HOME}/thanks.html"),
        (f"{HOME}/a\r\nSet-Cookie: a=b", f"{HOME}/thanks.html"),
        (f"{HOME}/a\u2028b", f"{HOME}/thanks.html"),
    ],
)
@pytest.mark.parametrize("name", ["_next", "redirect"])
def test_a_form_leads_to_the_sites_own_origins_alone(form: Form, name: str, wanted: str, next_page: str) -> None:
    form.stage = site_with(form.stage, origins=(HOME, "https://two.example.com"))
    fields = {"message": "Hi", name: wanted}
    assert form.post(urlencode(fields).encode(), FORM).headers["Location"] == next_page
    assert form.post(body_of(**fields)).json_body["next"] == next_page
    assert {tuple(json.loads(one.text)["fields"]) for one in form.published} == {("message",)}


# Origins


@pytest.mark.parametrize(
    ("changes", "origin", "allowed"),
    [
        ({}, HOME, True),
        ({}, FOREIGN, False),
        ({}, "null", False),
        ({"null_origin": True}, "null", True),
        ({}, "", False),
        ({}, "https://api.example.com", True),
        ({}, "https://api.example.com:8443", False),
    ],
)
@pytest.mark.parametrize("path", ["/contact", "/contact/default", "/f/default"])
def test_only_the_sites_own_pages_and_ours_may_send(
    form: Form, log: Any, path: str, changes: dict[str, Any], origin: str, allowed: bool
) -> None:
    form.stage = site_with(form.stage, **changes)
    asked = {"Origin": origin, "Host": "api.example.com"}
    preflight = form.request("OPTIONS", path, {**asked, "Access-Control-Request-Method": "POST"})
    assert form.published == []
    answers = [
        preflight,
        form.post(body_of(**GOOD), {**JSON, **asked}, path),
        form.post(urlencode(GOOD).encode(), {**FORM, **asked}, path),
        form.post(b"{}", {**JSON, **asked}, path),
        form.post(b"", {**FORM, **asked}, path),
    ]
    taken = 200 if path.startswith("/f/") else 202
    statuses = [204, taken, 303, 422, 422] if allowed else [403] * 5
    assert [answer.status_code for answer in answers] == statuses
    assert len(form.published) == (2 if allowed else 0)
    for answer in answers:
        assert answer.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
        assert allowed or not [name for name in answer.headers if name.startswith("Access-Control-")]
        assert answer.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in answer.headers
    assert preflight.body == b""
    if allowed:
        assert preflight.headers["Access-Control-Allow-Methods"] == "POST"
        needed = {"content-type", "accept", "formspree-session-data"}
        assert needed <= set(preflight.headers["Access-Control-Allow-Headers"].lower().split(", "))
        assert int(preflight.headers["Access-Control-Max-Age"]) > 0
    else:
        assert answers[1].json_body["errors"][0]["code"] == "forbidden_origin"


def preflight(form: Form, asked: str | None, origin: str = HOME) -> dict[str, str]:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    headers |= {"Access-Control-Request-Headers": asked} if asked is not None else {}
    return dict(form.request("OPTIONS", "/contact", headers).headers)


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ("x-requested-with", "x-requested-with"),
        ("content-type,hx-current-url,hx-request,hx-target", "content-type, hx-current-url, hx-request, hx-target"),
        ("baggage, sentry-trace,traceparent", "baggage, sentry-trace, traceparent"),
        (" ,, a\t, ,b ,", "a, b"),
        ("!#$%&'*+.^_`|~0-9AZ", "!#$%&'*+.^_`|~0-9AZ"),
    ],
)
def test_a_script_of_an_allowed_page_may_set_any_header(form: Form, asked: str, allowed: str) -> None:
    headers = preflight(form, asked)
    assert headers["Access-Control-Allow-Headers"] == allowed
    assert "Access-Control-Allow-Credentials" not in headers
    assert "Access-Control-Allow-Headers" not in preflight(form, asked, FOREIGN)


@pytest.mark.parametrize("asked", ["", " , ", "a b", "a:b", "a\r\nSet-Cookie: x", "ü", "a,(b)", "a," * 600])
def test_what_is_no_list_of_header_names_is_not_repeated(form: Form, asked: str) -> None:
    assert preflight(form, asked) == preflight(form, None)


@pytest.mark.parametrize(
    ("origin", "named", "hint"),
    [
        (
            "https://my.example.com",
            "https://my.example.com",
            'add "https://my.example.com" to origins in [stages.local.',
        ),
        ("https://a.example\x9b2J, x", "malformed", ""),
    ],
)
@pytest.mark.parametrize("method", ["OPTIONS", "POST"])
def test_the_log_names_a_page_that_was_refused_and_the_line_that_lets_it_in(
    form: Form, log: Any, method: str, origin: str, named: str, hint: str
) -> None:
    form.request(method, "/contact", {**JSON, "Origin": origin}, body_of(**GOOD))
    line = log.line("Refused")
    assert (line["status"], line["site"], line["origin"]) == (403, "default", named)
    assert hint in line["hint"]
    assert bool(line["hint"]) is bool(hint)


@pytest.mark.parametrize("without_origin", [True, False])
def test_whether_a_request_without_an_origin_is_accepted_is_the_sites_choice(form: Form, without_origin: bool) -> None:
    form.stage = site_with(form.stage, without_origin=without_origin)
    response = form.post(body_of(**GOOD))
    assert response.status_code == (202 if without_origin else 403)
    assert len(form.published) == (1 if without_origin else 0)
    assert not [name for name in response.headers if name.startswith("Access-Control-")]
    assert form.request("OPTIONS", "/contact", {}).status_code == 403, "that is no preflight"


def test_a_preflight_of_an_unknown_site_allows_nothing(form: Form) -> None:
    response = form.request("OPTIONS", "/contact/nowhere", {"Origin": HOME})
    assert response.status_code == 403
    assert not [name for name in response.headers if name.startswith("Access-Control-")]


def test_a_page_that_may_send_can_read_that_the_topic_refused(refusing_form: Form) -> None:
    response = refusing_form.post(body_of(**GOOD), {**JSON, "Origin": HOME})
    assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (503, HOME)
    assert response.headers["Access-Control-Expose-Headers"] == "Retry-After", "and when it may try again"


# Languages


OWN = {
    "en": {"REQUIRED_FIELD_MISSING": "We can't guess it.", "accepted": "Got it!"},
    "he": {**texts("en"), "page_title": "ההודעה שלך לא נשלחה"},
}


def test_a_sites_own_words_are_said_to_programs_and_people(form: Form) -> None:
    form.stage = site_with(form.stage, texts=OWN)
    given = form.post(body_of(message=""))
    assert given.json_body["errors"][0]["message"] == texts("en")["REQUIRED_FIELD_EMPTY"], "as nothing else is said"
    given = form.post(b"{}")
    assert given.json_body["errors"][0]["message"] == "We can't guess it."
    given = form.post(b"message=Hi", {**FORM, "HX-Request": "true"})
    assert "Got it!" in given.body.decode()
    given = form.post(b"name=Ada", {**FORM, "Accept-Language": "he-IL"})
    assert (given.headers["Content-Language"], given.status_code) == ("he", 422)
    assert '<html lang="he" dir="rtl">' in given.body.decode()
    assert "ההודעה שלך לא נשלחה" in given.body.decode()


@pytest.mark.parametrize(
    ("wish", "accept_language", "of_site", "language"),
    [
        ("", "", "de", "de"),
        ("", "de-AT,de;q=0.9,en;q=0.8", "en", "de"),
        ("de", "en", "en", "de"),
        ("tlh", "de", "en", "de"),
    ],
)
def test_the_forms_wish_then_the_browsers_then_the_sites_choose_the_language(
    form: Form, wish: str, accept_language: str, of_site: str, language: str
) -> None:
    form.stage = site_with(form.stage, language=of_site)
    said = {"en": "This field is required.", "de": "Dieses Feld wird benötigt."}[language]
    title = {"en": "Your message was not sent", "de": "Ihre Nachricht wurde nicht gesendet"}[language]
    asked = {"Accept-Language": accept_language} if accept_language else {}
    fields = {"name": "Ada"} | ({"_language": wish} if wish else {})
    document = form.post(body_of(**fields), {**JSON, **asked})
    assert document.headers["Content-Language"] == language
    assert document.json_body["errors"][0]["message"] == said
    page = page_of(form.post(urlencode(fields).encode(), {**FORM, **asked}))
    assert (page.language, page.heading, page.errors) == (language, title, {"message": said})
    assert form.published == []


def test_the_forms_language_counts_when_the_topic_refused_too(refusing_form: Form) -> None:
    response = refusing_form.post(body_of(message="Hi", _language="de"))
    assert (response.status_code, response.headers["Content-Language"]) == (503, "de")


# As API Gateway and Lambda do it


def test_a_body_that_the_gateway_encoded_is_read(form: Form) -> None:
    answer = form.by_gateway(base64.b64encode(body_of(**GOOD)).decode(), base64=True)
    assert (answer["statusCode"], form.message["fields"]) == (202, GOOD)
    assert form.published[0].function_arn == FUNCTION_ARN


def test_multipart_in_another_charset_is_read_as_the_gateway_encodes_it(form: Form, module: ModuleType) -> None:
    assert "multipart/form-data" in module.app.api.binary_types, "else the gateway would take it for UTF-8"
    body = parts(("message", "Grüße")).decode().encode("latin-1")
    content_type = "Multipart/Form-Data; Charset=ISO-8859-1; Boundary=XyZ"
    answer = form.by_gateway(base64.b64encode(body).decode(), base64=True, content_type=content_type)
    assert (answer["statusCode"], form.message["fields"]) == (303, {"message": "Grüße"})


def test_a_request_without_any_body_is_refused(form: Form) -> None:
    assert form.by_gateway(None)["statusCode"] == 400


# Refused


@pytest.mark.parametrize(
    ("headers", "body", "status", "errors"),
    [
        (JSON, b"{", 400, [("body", "not_json")]),
        (JSON, b'{"message": "\xff"}', 400, [("body", "not_in_charset")]),
        (PROGRAM | MULTIPART, parts(("message", "Hi"))[:-6], 400, [("body", "not_multipart")]),
        ({**PROGRAM, "Content-Type": "multipart/form-data"}, parts(("message", "Hi")), 400, [("body", "no_boundary")]),
        (JSON, b"a" * (64 * 1024 + 1), 413, [(None, "body_too_large")]),
        (PROGRAM, b"&".join(b"a%d=b" % n for n in range(51)), 413, [("body", "too_many_fields")]),
        # Each quotation mark costs four bytes by the time it is in EventBridge.
        (
            PROGRAM,
            b"&".join(name + b"=" + b'"' * 10_240 for name in (b"message", *b"a b c d e".split())),
            413,
            [(None, "message_too_large")],
        ),
        ({}, b"Hi", 415, [("content-type", "unsupported_media_type")]),
        ({**JSON, "Content-Encoding": "gzip"}, b"\x1f\x8b", 415, [("content-encoding", "unsupported_media_type")]),
        (JSON, b"{}", 422, [("message", "REQUIRED_FIELD_MISSING")]),
        (PROGRAM, b"message=%20%0A", 422, [("message", "REQUIRED_FIELD_EMPTY")]),
        (JSON, body_of(message="Hi", email="nobody"), 422, [("email", "TYPE_EMAIL")]),
        (JSON, body_of(message={"a": 7}), 422, [("message", "TYPE_TEXT")]),
        (JSON, body_of(message="Hi", other="ü" * 5_121), 422, [("other", "too_large")]),
        ({**PROGRAM, **MULTIPART}, parts(("message", "Hi"), file="photo"), 422, [("photo", "NO_FILE_UPLOADS")]),
        (
            JSON,
            body_of(email="nobody", name="x" * 201),
            422,
            [("message", "REQUIRED_FIELD_MISSING"), ("email", "TYPE_EMAIL"), ("name", "too_long")],
        ),
    ],
)
def test_a_bad_submission_is_a_problem_document_and_nothing_is_published(
    form: Form, headers: dict[str, str], body: bytes, status: int, errors: list[tuple[str | None, str]]
) -> None:
    response = form.post(body, headers)
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json_body
    assert problem["status"] == status
    assert problem["title"]
    assert problem["type"] == "about:blank"
    assert set(problem) == {"type", "title", "status", "errors"}
    assert [(error.get("field"), error["code"]) for error in problem["errors"]] == errors
    for error in problem["errors"]:
        assert error["message"].endswith(".")
        assert "{" not in error["message"] + problem["title"]
    assert form.published == []


@pytest.mark.parametrize("lone", ["\\ud800", "\\udc00\\ud800"])
def test_a_text_that_was_cut_within_an_emoji_is_taken_without_the_half_of_it(form: Form, lone: str) -> None:
    response = form.post(f'{{"message": "{lone}"}}'.encode())
    assert response.status_code == 202
    assert set(form.message["fields"]["message"]) == {"\ufffd"}


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
@pytest.mark.parametrize(
    "body", [b'{"message": "", "x": "\\ud800"}', b'{"\\ud800": "x"}', b'{"\\ud800": {"x": 1}, "message": "Hi"}']
)
def test_half_a_surrogate_pair_never_stands_in_an_answer_which_must_be_utf_8(
    form: Form, accept: str, body: bytes
) -> None:
    response = form.by_gateway(body.decode(), accept=accept)
    assert response["statusCode"] == 422
    assert response["body"].encode("utf-8")
    assert form.published == []


@pytest.mark.parametrize("path", ["/contact/nowhere", "/contact/Default", "/contact/default%00", "/contact/.."])
def test_an_unknown_site_is_404_whatever_is_sent(form: Form, path: str) -> None:
    for headers in (JSON, PROGRAM, {}):
        response = form.post(body_of(**GOOD), headers, path)
        assert response.status_code == 404
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.json_body["errors"] == [{"code": "FORM_NOT_FOUND", "message": response.json_body["title"]}]
        assert b"nowhere" not in response.body
    response = form.post(body_of(**GOOD), FORM, path)
    assert response.status_code == 404
    assert page_of(response).values == {name: text for name, text in GOOD.items() if name != "source"}
    assert b"nowhere" not in response.body
    assert form.published == []


# The page for a browser without JavaScript


def test_the_page_names_each_mistake_beside_its_field_and_keeps_what_was_typed(form: Form) -> None:
    typed = {
        "form-name": "<contact>",
        "_next": f"{HOME}/done",
        "name": 'A "quoted" <b>name</b> & \u202eeman',
        "_replyto": "nobody",
        "Company": "'><script>alert(1)</script>",
        'interest"><i': "</textarea>x",
        "note": "\r\nfirst\r\nsecond",
        "message": "</textarea><script>alert(1)</script>" * 300,
    }
    response = form.post(urlencode(typed).encode(), FORM)
    assert response.status_code == 422
    page = page_of(response)
    assert page.heading == "Your message was not sent"
    # What a parser reads as a line feed is sent as CR LF again.
    assert page.values == {name: text.replace("\r\n", "\n") for name, text in typed.items()} | {
        "note": "\r\nfirst\r\nsecond"
    }
    assert page.hidden == {"form-name", "_next", "Company", 'interest"><i'}
    assert page.errors == {
        "_replyto": "This is not an email address such as name@example.com.",
        "message": "At most 10240 characters, please.",
    }
    assert page.focus == ["_replyto"], "the first mistake"
    assert b"<script>" not in response.body
    assert b"<b>" not in response.body
    assert form.published == []


def test_a_field_that_was_not_sent_at_all_is_offered(form: Form) -> None:
    page = page_of(form.post(b"name=Ada", FORM))
    assert page.values == {"name": "Ada", "message": ""}
    assert page.errors == {"message": "This field is required."}


def test_what_the_page_sends_again_is_accepted_from_our_own_origin(form: Form) -> None:
    sent = parts(("name", "Юлия"), ("email", "j@"), ("message", 'Hi "you"\r\n🚀'), ("_gotcha", ""))
    page = page_of(form.post(sent, {**BROWSER, **MULTIPART, "Origin": HOME}))
    corrected = urlencode(page.values | {"email": "j@example.com"}).encode()
    headers = {**FORM, "Origin": "https://api.example.com", "Host": "api.example.com"}
    assert form.post(corrected, headers).status_code == 303
    assert form.message["fields"] == {"name": "Юлия", "email": "j@example.com", "message": 'Hi "you"\n🚀'}


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (FORM, b"message=%81", 400),
        (FORM, b"message=" + b"x" * 70_000, 413),
        ({**FORM, "Content-Type": "text/html"}, b"message=Hi", 415),
    ],
)
def test_a_browser_gets_a_page_for_what_could_not_even_be_read(
    form: Form, headers: dict[str, str], body: bytes, status: int
) -> None:
    response = form.post(body, headers)
    assert response.status_code == status
    page = page_of(response)
    assert (page.heading, page.values) == ("Your message was not sent", {})
    assert form.published == []


def test_a_form_of_plain_text_comes_back_as_one_that_can_be_sent(form: Form) -> None:
    response = form.post(b"message=Hi\r\n", {**FORM, "Content-Type": "text/plain"})
    assert response.status_code == 415
    assert page_of(response).values == {"message": "Hi"}
    assert b'<button type="submit">' in response.body
    assert form.published == []


@pytest.mark.parametrize(
    ("path", "status"), [("/contact", 403), ("/contact/nowhere", 404)], ids=["a foreign page", "an unknown form"]
)
@pytest.mark.parametrize("photo", [False, True], ids=["", "with a file, which can't be taken"])
def test_who_can_not_send_from_there_keeps_what_was_typed_and_is_led_back(
    form: Form, path: str, status: int, photo: bool
) -> None:
    typed = (("name", "Ada"), ("message", 'Hi "you"\n<b>'), ("_gotcha", "trap"), ("phone", ""))
    body = parts(*typed, file="photo") if photo else parts(*typed)
    response = form.post(body, {**BROWSER, **MULTIPART, "Origin": "http://192.168.1.5:1313"}, path)
    assert response.status_code == status
    page = page_of(response)
    assert page.values == {"name": "Ada", "message": 'Hi "you"\n<b>'}
    assert '<a href="http://192.168.1.5:1313/">' in response.body.decode()
    # Our own origin may send, so a form here would get round what was just refused.
    assert not page.top.all("form", "button")
    assert form.published == []


def test_who_sent_a_file_does_not_lose_what_was_typed(form: Form) -> None:
    body = parts(("name", "Ada"), ("message", "typed"), file="photo")
    response = form.post(body, {**BROWSER, **MULTIPART})
    assert response.status_code == 422
    page = page_of(response)
    assert page.general == ["Files can't be sent with this form."]
    assert page.values == {"name": "Ada", "message": "typed"}


def test_who_comes_while_the_topic_refuses_does_not_lose_what_was_typed(refusing_form: Form) -> None:
    response = refusing_form.post(urlencode(GOOD).encode(), FORM)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert page_of(response).values == GOOD


# Not accepted by the topic


@pytest.mark.parametrize("reason", ["Throttled", "EndpointConnectionError"])
@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
def test_what_sns_did_not_accept_is_503_with_retry_after_and_never_a_success(
    form: Form, stubbed: Stubbed, log: Any, reason: str, content_type: str
) -> None:
    sns, stub = stubbed("sns")
    if reason == "Throttled":
        stub.add_client_error("publish", reason, "MARKER quotes the request", 400)
    else:
        stub.deactivate()
        break_at(sns, "sns.Publish", EndpointConnectionError(endpoint_url="https://MARKER"))
    wants_json = content_type.endswith("json")
    body = json.dumps(GOOD) if wants_json else urlencode(GOOD)
    form.topic = SnsTopic(sns, form.stage.topic)
    response = form.by_gateway(body, content_type=content_type)
    assert response["statusCode"] == 503
    assert int(response["headers"]["Retry-After"]) > 0
    expected = "application/problem+json" if wants_json else "text/html; charset=utf-8"
    assert response["headers"]["Content-Type"] == expected
    assert "Location" not in response["headers"]
    line = log.line("The topic did not accept the message")
    assert (line["level"], line["reason"], line["site"]) == ("ERROR", reason, "default")
    assert "hint" not in line, "that is for a developer's terminal"
    assert "MARKER" not in log.text
    assert "MARKER" not in response["body"]


class BrokenTopic:
    """Fails as nobody expects, quoting what it was given."""

    def publish(self, text: str, **_: Any) -> None:
        raise ZeroDivisionError(text)


def test_an_unexpected_fault_is_500_in_our_own_words_and_never_a_success(form: Form, log: Any) -> None:
    form.topic = BrokenTopic()
    document = form.post(body_of(**GOOD), {**JSON, "Origin": HOME})
    assert document.status_code == 500
    assert document.headers["Content-Type"] == "application/problem+json"
    assert document.headers["Access-Control-Allow-Origin"] == HOME
    assert document.json_body["errors"] == [{"code": "unexpected", "message": document.json_body["title"]}]
    assert document.json_body["title"].startswith("Something went wrong on our side.")
    page = page_of(form.post(urlencode(GOOD).encode(), FORM))
    assert page.values == GOOD
    assert [line["level"] for line in log.lines if line["message"] == "Unexpected"] == ["ERROR"] * 2


def test_an_unexpected_fault_is_logged_without_what_the_visitor_typed(
    form: Form, log: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    form.topic = BrokenTopic()
    form.post(body_of(**MARKED))
    out, err = capfd.readouterr()
    line = log.line("Unexpected")
    assert line["exception_name"] == "ZeroDivisionError", "what is needed to find the fault"
    assert "MARKER" not in log.text + out + err


# The log

MARKED = {
    "source": "MARKER-source",
    "name": "MARKER-name",
    "email": "MARKER-email@example.com",
    "message": "MARKER-message",
    "MARKER-unknown": "MARKER-unknown",
}


@pytest.mark.parametrize(
    ("headers", "body", "path"),
    [
        (JSON, body_of(**MARKED), "/contact"),
        (FORM, urlencode(MARKED).encode(), "/contact"),
        (JSON, body_of(**MARKED), "/contact/MARKER-site"),
        (JSON, body_of(**MARKED | {"email": "MARKER"}), "/contact"),
        (JSON, body_of(**MARKED | {"name": "MARKER\nMARKER"}), "/contact"),
        (JSON, body_of(**MARKED | {"message": {"MARKER": "MARKER"}}), "/contact"),
        (JSON, body_of(**MARKED | {"MARKER-unknown": {"MARKER": "MARKER"}}), "/contact"),
        (JSON, body_of(**MARKED | {"MARKER-unknown": "MARKER\x00"}), "/contact"),
        (JSON, body_of(**MARKED | {"MARKER-unknown": "MARKER" * 2000}), "/contact"),
        (JSON, body_of(**MARKED | {"MARKER\nMARKER": "MARKER"}), "/contact"),
        (JSON, body_of(**MARKED | {"_replyto": "MARKER", "email": ""}), "/contact"),
        (
            JSON,
            body_of(**MARKED | {"_cc": "MARKER", "_next": "//MARKER", "_language": "MARKER", "_gotcha": "MARKER"}),
            "/f/default",
        ),
        (PROGRAM, urlencode(MARKED | {"MARKER": "MARKER\x00"}).encode(), "/contact"),
        (MULTIPART, parts(*MARKED.items()), "/contact"),
        (MULTIPART, parts(*MARKED.items(), file="MARKER"), "/contact"),
        ({"Content-Type": "multipart/form-data; boundary=MARKER"}, parts(*MARKED.items()), "/contact"),
        (JSON | {"Origin": "https://MARKER.example"}, body_of(**MARKED), "/contact"),
        (JSON | {"Accept-Language": "MARKER", "Accept": "MARKER/MARKER"}, b"{}", "/contact"),
        (JSON, body_of(**MARKED | {"message": "MARKER" * 2000}), "/contact"),
        (JSON, b'{"MARKER": MARKER}', "/contact"),
        (JSON, b'{"message": "MARKER\\ud800"}', "/contact"),
        (FORM, b"message=MARKER%FF", "/contact"),
        ({"Content-Type": "MARKER/MARKER; charset=MARKER"}, b"MARKER", "/contact"),
        ({"Content-Type": "application/json; charset=MARKER"}, b"MARKER", "/contact"),
        (
            {**JSON, "User-Agent": "MARKER", "Referer": "MARKER", "X-Forwarded-For": "MARKER"},
            body_of(**MARKED),
            "/contact",
        ),
    ],
)
@pytest.mark.parametrize("accepting", [True, False])
def test_nothing_that_a_visitor_typed_is_logged_and_no_problem_document_quotes_a_value(
    form: Form,
    refusing_form: Form,
    log: Any,
    capfd: pytest.CaptureFixture[str],
    headers: dict[str, str],
    body: bytes,
    path: str,
    accepting: bool,
) -> None:
    response = (form if accepting else refusing_form).post(body, headers, path)
    out, err = capfd.readouterr()
    assert log.lines, "each request leaves a line"
    assert "marker" not in (log.text + out + err + str(response.headers)).lower()
    if response.headers.get("Content-Type") in ("application/json", "application/problem+json"):
        # Whoever sent a field must know which one is wrong, so its name is said.
        answer = response.json_body
        for error in answer.get("errors", []):
            error.pop("field", None)
        assert "marker" not in json.dumps(answer).lower()


def test_the_correlation_id_is_the_messages_id(form: Form, log: Any) -> None:
    message_id = form.post(body_of(**GOOD)).json_body["id"]
    line = log.line("Accepted")
    assert (line["correlation_id"], line["message_id"], line["site"]) == (message_id, message_id, "default")


def test_a_submission_that_the_topic_refused_is_logged_under_its_own_id_with_what_a_developer_can_do(
    refusing_form: Form, log: Any
) -> None:
    refusing_form.post(body_of(**GOOD))
    line = log.line("The topic did not accept the message")
    assert UUID.fullmatch(line["correlation_id"])
    assert "make run" in line["hint"]


def test_a_refused_submission_names_its_fields_and_status(form: Form, log: Any) -> None:
    form.post(body_of(email="nobody"), {**JSON, "Accept-Language": "de"})
    line = log.line("Refused")
    assert (line["status"], line["problems"]) == (422, ["message: REQUIRED_FIELD_MISSING", "email: TYPE_EMAIL"])


@pytest.mark.parametrize(
    ("method", "path", "status", "hint"),
    [
        ("GET", "/contact?message=marker", 405, 'a form needs method="post"'),
        ("POST", "/contact/marker", 404, "the form's address names no site of this stage; it has: default"),
    ],
)
def test_the_log_says_what_is_wrong_with_a_forms_method_or_address(
    form: Form, log: Any, method: str, path: str, status: int, hint: str
) -> None:
    form.request(method, path, JSON, body_of(**GOOD))
    line = log.line("Refused")
    assert (line["status"], line["hint"]) == (status, hint)
    assert "marker" not in log.text


def test_a_refused_submission_is_not_logged_under_the_id_of_the_message_before_it(form: Form, log: Any) -> None:
    """A warm function keeps its logger from one request to the next."""
    message_id = form.post(body_of(**GOOD)).json_body["id"]
    form.post(b"{}")
    assert log.line("Accepted")["correlation_id"] == message_id
    assert log.line("Refused").get("correlation_id") != message_id
