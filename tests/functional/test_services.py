"""Forms as four other services document them: each works once its ``action``, or the address in ``fetch``, is ours.

One row for each documented example, filled in by a visitor, below the page where it stands. The site's origin is the
one that the example's page has. What browsers add to a request is written as they send it:
https://fetch.spec.whatwg.org/#http-network-or-cache-fetch, https://www.w3.org/TR/fetch-metadata/.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest
from chalice.test import Client

from chalicelib.composition import override_container
from chalicelib.settings import Stage
from tests.fakes import FakeContainer, RecordingTopic

Pairs = Sequence[tuple[str, str]]
NAVIGATION = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}
"""A form without JavaScript."""
FETCH = {"Accept": "*/*", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
"""``fetch`` without headers of its own. A redirect of another origin's answer would fail: the browser sends
``Origin: null`` there, which no page of a static site allows."""
FETCH_FOR_JSON = {**FETCH, "Accept": "application/json"}
AXIOS = {**FETCH, "Accept": "application/json, text/plain, */*"}
"""What Axios sends unless told otherwise."""
XHR_FOR_JSON = {**FETCH, "Accept": "application/json, text/javascript, */*; q=0.01"}
"""What jQuery sends for ``dataType: "json"``."""
URLENCODED, MULTIPART, JSON = "application/x-www-form-urlencoded", "multipart/form-data", "application/json"


@dataclass(frozen=True)
class Row:
    """One documented form, as a browser sends it."""

    name: str
    sent: Pairs
    published: Pairs = ()
    """What arrives; without it all that was sent, with line breaks as Herald has them."""
    signals: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    encoding: str = URLENCODED
    headers: Mapping[str, str] = field(default_factory=lambda: NAVIGATION)
    next: str = ""
    """Where the browser goes; without it to the site's own thanks page."""
    origin: str = "https://www.example.com"
    """Of the page that holds the form."""

    @property
    def path(self) -> str:
        return "/f/default" if self.name.startswith("Formspree") else "/contact"

    @property
    def arrives(self) -> list[tuple[str, str]]:
        return list(self.published) or [(name, text.replace("\r\n", "\n")) for name, text in self.sent]

    @property
    def status(self) -> int:
        """A script can't follow a redirect to a page that doesn't allow it; a form can't read JSON."""
        if self.headers is NAVIGATION:
            return 303
        return 200 if self.expected or "form-name" in dict(self.sent) else 202

    @property
    def expected(self) -> dict[str, object]:
        """What the scripts of the service look for in an answer, besides status 200."""
        sentence = "Thank you: your message is on its way."
        names = {name for name, _ in self.sent}
        answer: dict[str, object] = {}
        if self.path.startswith("/f/"):
            answer |= {"ok": True, "success": True, "message": sentence}
        if names & {"access_key", "apikey"}:
            answer |= {"success": True, "message": sentence}
        if names & {"_captcha", "_template", "_honey", "_blacklist", "_autoresponse"}:
            answer |= {"success": "true", "message": sentence}
        return answer

    @property
    def body(self) -> tuple[str, bytes]:
        """Content type and bytes."""
        if self.encoding == JSON:
            return JSON, json.dumps(dict(self.sent)).encode()
        if self.encoding == URLENCODED:
            return URLENCODED, urlencode(self.sent).encode()
        # A file field that was left empty is sent, too (HTML, 4.10.21.4); here its name ends in a question mark.
        boundary = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
        parts = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name.removesuffix("?")}"'
            + ('; filename=""\r\nContent-Type: application/octet-stream' if name.endswith("?") else "")
            + f"\r\n\r\n{text}\r\n"
            for name, text in self.sent
        )
        return f"{MULTIPART}; boundary={boundary}", f"{parts}--{boundary}--\r\n".encode()


ADA = ("name", "Ada Lovelace")
MAIL = ("email", "ada@example.com")
TEXT = ("message", "Hello,\r\nworld")
READ = ("message", "Hello,\nworld")
FORMSPREE_LIBRARY = {**FETCH_FOR_JSON, "Formspree-Session-Data": "eyJsb2FkZWRBdCI6MX0="}
SUBJECT = ("subject", "New Submission from Web3Forms")
PHONE = ("phone", "+1 (555) 1234-567")
ACCESS = ("access_key", "YOUR_ACCESS_KEY_HERE")
TURNSTILE = ("cf-turnstile-response", "0.abc")
FORM, FROM = ("form-name", "contact"), ("source", "contact")

ROWS = [
    # https://github.com/formspree/formspree
    Row("Formspree, the first form", [ADA, ("_replyto", "ada@example.com")], [ADA, MAIL]),
    Row(
        "Formspree, _replyto, _next, _subject, _cc, _gotcha",
        [
            ADA,
            ("_replyto", "ada@example.com"),
            ("_next", "https://site.io/thanks.html"),
            ("_subject", "New submission!"),
            ("_cc", "another@email.com"),
            ("_gotcha", ""),
            TEXT,
        ],
        [ADA, MAIL, ("subject", "New submission!"), READ],
        ignored=("_cc",),
        next="https://site.io/thanks.html",
        origin="https://site.io",
    ),
    Row("Formspree, jQuery", [("message", "hello!")], headers=XHR_FOR_JSON),
    # https://help.formspree.io/articles/building-your-form/submit-forms-with-javascript-ajax
    Row("Formspree, fetch with FormData", [MAIL, TEXT], encoding=MULTIPART, headers=FETCH_FOR_JSON),
    # https://help.formspree.io/hc/en-us/articles/360055613373-The-Formspree-React-library
    Row(
        "Formspree, the React library with FormData",
        [MAIL],
        encoding=MULTIPART,
        headers=FORMSPREE_LIBRARY | {"Formspree-Client": "@formspree/react@2"},
    ),
    Row("Formspree, the library with an object", [MAIL, READ], encoding=JSON, headers=FORMSPREE_LIBRARY),
    Row(
        "Formspree, the React library with extraData",
        [MAIL, TEXT, ("_subject", "New submission!"), ("plan", "free")],
        [MAIL, READ, ("subject", "New submission!"), ("plan", "free")],
        encoding=MULTIPART,
        headers=FORMSPREE_LIBRARY | {"Formspree-Client": "@formspree/react@3"},
    ),
    # https://github.com/formspree/formspree-js/blob/main/packages/formspree-ajax/README.md
    Row(
        "Formspree, the Ajax library with data of its own",
        [MAIL, ("source", "landing-page"), ("referrer", "https://example.org/")],
        encoding=MULTIPART,
        headers=FORMSPREE_LIBRARY | {"Formspree-Client": "@formspree/ajax@1"},
    ),
    # https://help.formspree.io/hc/en-us/articles/360013580813-Honeypot-spam-filtering
    Row(
        "Formspree, honeypot, a robot",
        [MAIL, TEXT, ("_gotcha", "https://spam.example")],
        [MAIL, READ],
        signals=("honeypot",),
    ),
    # https://help.formspree.io/hc/en-us/articles/46614263949331-Protecting-your-Forms-with-Cloudflare-Turnstile
    Row("Formspree, Cloudflare Turnstile", [MAIL, TEXT, TURNSTILE], [MAIL, READ]),
    # https://help.formspree.io/hc/en-us/articles/360062302854-Special-Fields
    Row(
        "Formspree, special fields of its plugins",
        [("firstName", "Ada"), ("lastName", "Lovelace"), ("company", "Engines"), ("address", "London"), MAIL, TEXT],
    ),
    # https://github.com/surjithctly/web3forms-docs/blob/master/getting-started/examples/basic-html-contact-form.md
    Row("Web3Forms, the basic form", [ACCESS, ADA, MAIL, TEXT], [ADA, MAIL, READ]),
    # https://github.com/surjithctly/web3forms-docs/blob/master/getting-started/examples/advanced-all-options.md
    Row(
        "Web3Forms, all options, a file field left empty",
        [
            ACCESS,
            SUBJECT,
            ("from_name", "Your Website Name"),
            ("ccemail", "partner@example.com"),
            ("replyto", "customer@example.com"),
            ("redirect", "https://web3forms.com/success"),
            ("h-captcha-response", "P1_abc"),
            ("recaptcha_response", ""),
            TURNSTILE,
            ("webhook", "WEBHOOK_URL_HERE"),
            ("attachment?", ""),
            MAIL,
            ("First Name", "Ada"),
            ("Phone Number", "+1 (555) 1234-567"),
            TEXT,
        ],
        [SUBJECT, MAIL, ("First Name", "Ada"), ("Phone Number", "+1 (555) 1234-567"), READ],
        encoding=MULTIPART,
        ignored=("ccemail", "webhook"),
        next="https://web3forms.com/success",
        origin="https://web3forms.com",
    ),
    # https://github.com/surjithctly/web3forms-docs/blob/master/getting-started/examples/ajax-contact-form-using-javascript.md
    Row(
        "Web3Forms, fetch with JSON",
        [("apikey", "YOUR_ACCESS_KEY_HERE"), SUBJECT, ADA, MAIL, PHONE, READ],
        [SUBJECT, ADA, MAIL, PHONE, READ],
        encoding=JSON,
        headers=FETCH_FOR_JSON,
    ),
    Row(
        "Web3Forms, fetch with JSON, a robot",
        [("apikey", "YOUR_ACCESS_KEY_HERE"), ("botcheck", "on"), ADA, MAIL, READ],
        [ADA, MAIL, READ],
        encoding=JSON,
        headers=FETCH_FOR_JSON,
        signals=("honeypot",),
    ),
    # https://github.com/surjithctly/web3forms-docs/blob/master/getting-started/examples/with-multiple-checkbox.md
    Row(
        "Web3Forms, check boxes",
        [ACCESS, ("interest", "coding"), ("interest", "music"), ("check", "checked")],
        [("interest", "coding, music"), ("check", "checked")],
    ),
    # https://github.com/surjithctly/web3forms-docs/blob/master/how-to-guides/js-frameworks/react-js/simple-react-contact-form.md
    Row(
        "Web3Forms, fetch with FormData in React",
        [ADA, MAIL, TEXT, ACCESS],
        [ADA, MAIL, READ],
        encoding=MULTIPART,
        headers=FETCH,
    ),
    # https://formsubmit.co/documentation
    Row("FormSubmit, the basic form", [ADA, MAIL]),
    Row(
        "FormSubmit, every setting",
        [
            ADA,
            MAIL,
            TEXT,
            ("_subject", "New submission!"),
            ("_replyto", ""),
            ("_next", "https://yourdomain.co/thanks.html"),
            ("_cc", "another@email.com,yetanother@email.com"),
            ("_blacklist", "spammy pattern, banned term, phrase"),
            ("_captcha", "false"),
            ("_autoresponse", "your custom message"),
            ("_template", "table"),
            ("_webhook", "https://yourdomain.co/your-webhook"),
            ("_url", "https://yourdomain.co/contact.html"),
            ("_honey", ""),
        ],
        [ADA, MAIL, READ, ("subject", "New submission!"), ("source", "https://yourdomain.co/contact.html")],
        ignored=("_cc", "_autoresponse", "_webhook"),
        next="https://yourdomain.co/thanks.html",
        origin="https://yourdomain.co",
    ),
    Row(
        "FormSubmit, a form for files, none chosen",
        [ADA, MAIL, ("attachment?", ""), TEXT],
        [ADA, MAIL, READ],
        encoding=MULTIPART,
    ),
    # https://formsubmit.co/ajax-documentation
    Row("FormSubmit, fetch with JSON", [ADA, READ], encoding=JSON, headers=FETCH_FOR_JSON),
    Row("FormSubmit, jQuery", [ADA, READ], headers=XHR_FOR_JSON),
    # https://gist.github.com/kesarawimal/863b2109514558ba4dd803372e035d89
    Row("FormSubmit, Axios", [ADA, READ], encoding=JSON, headers=AXIOS),
    # https://formsubmit.co/documentation
    Row("FormSubmit, honeypot, a robot", [ADA, MAIL, ("_honey", "x")], [ADA, MAIL], signals=("honeypot",)),
    # https://docs.netlify.com/manage/forms/setup/
    Row(
        "Netlify, the HTML form with a multiple choice",
        [FORM, ADA, MAIL, ("role[]", "leader"), ("role[]", "follower"), TEXT],
        [FROM, ADA, MAIL, ("role[]", "leader, follower"), READ],
    ),
    # https://docs.netlify.com/manage/forms/notifications/
    Row("Netlify, a subject of one's own", [FORM, SUBJECT, MAIL, TEXT], [FROM, SUBJECT, MAIL, READ]),
    # https://docs.netlify.com/manage/forms/spam-filters/
    Row(
        "Netlify, honeypot and reCAPTCHA",
        [FORM, ("bot-field", ""), MAIL, TEXT, ("g-recaptcha-response", "03AGdBq2")],
        [FROM, MAIL, READ],
    ),
    Row(
        "Netlify, honeypot, a robot", [FORM, ("bot-field", "x"), MAIL, TEXT], [FROM, MAIL, READ], signals=("honeypot",)
    ),
    # https://docs.netlify.com/manage/forms/setup/
    Row(
        "Netlify, fetch with URLSearchParams",
        [("form-name", "pizzaOrder"), ADA, ("order", "Margherita")],
        [("source", "pizzaOrder"), ADA, ("order", "Margherita")],
        headers=FETCH,
    ),
    Row(
        "Netlify, fetch with FormData, no file chosen",
        [("form-name", "fileForm"), ADA, ("file?", "")],
        [("source", "fileForm"), ADA],
        encoding=MULTIPART,
        headers=FETCH,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_form_of_another_service_is_accepted_as_its_page_expects_with_exactly_its_fields(
    client: Client, local: Stage, row: Row
) -> None:
    thanks = f"{row.origin}/danke.html"
    # Of the documented forms not each has a field `message`: what is required is the site's own choice.
    own = local.sites["default"]._replace(origins=(row.origin,), thanks=thanks, required=())
    topic = RecordingTopic()
    content_type, body = row.body
    headers = {**row.headers, "Origin": row.origin, "Content-Type": content_type}
    with override_container(FakeContainer(local._replace(sites={"default": own}), topic=topic)):
        response: Any = client.http.post(row.path, headers=headers, body=body)

    assert response.status_code == row.status
    assert response.headers["Access-Control-Allow-Origin"] == row.origin
    assert len(topic.published) == 1
    message = json.loads(topic.published[0].text)
    assert list(message["fields"].items()) == row.arrives
    assert tuple(message.get("signals", ())) == row.signals
    if row.status == 303:
        assert response.headers["Location"] == (row.next or thanks)
    else:
        ignored = {"ignored": list(row.ignored)} if row.ignored else {}
        herald = {"id": message["id"], "status": "accepted", "next": row.next or thanks, **ignored}
        expected = {**herald, **row.expected}
        assert response.json_body == expected
