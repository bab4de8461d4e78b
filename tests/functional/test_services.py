"""Forms as four other services document them: each works once its ``action``, or the address in ``fetch``, is ours.

One row for each documented example, filled in by a visitor; ``page`` is where it stands. The site's origin is the one
that the example's page has. What browsers add to a request is written as they send it:
https://fetch.spec.whatwg.org/#http-network-or-cache-fetch, https://www.w3.org/TR/fetch-metadata/.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
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
    page: str
    origin: str
    """Of the page that holds the form."""
    encoding: str
    headers: dict[str, str]
    sent: Pairs
    published: Pairs
    signals: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    next: str = ""
    """Where the browser goes; without it to the site's own thanks page."""
    path: str = "/contact"

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


SITE = "https://www.example.com"
ADA = ("name", "Ada Lovelace")
MAIL = ("email", "ada@example.com")
TEXT = ("message", "Hello,\r\nworld")
READ = ("message", "Hello,\nworld")

FORMSPREE_README = "https://github.com/formspree/formspree"
FORMSPREE_AJAX = "https://help.formspree.io/articles/building-your-form/submit-forms-with-javascript-ajax"
FORMSPREE_HELP = "https://help.formspree.io/hc/en-us/articles"
FORMSPREE_REACT = "https://help.formspree.io/hc/en-us/articles/360055613373-The-Formspree-React-library"
WEB3FORMS = "https://github.com/surjithctly/web3forms-docs/blob/master/getting-started/examples"
WEB3FORMS_GUIDES = "https://github.com/surjithctly/web3forms-docs/blob/master/how-to-guides"
FORMSUBMIT = "https://formsubmit.co/documentation"
FORMSUBMIT_AJAX = "https://formsubmit.co/ajax-documentation"
NETLIFY = "https://docs.netlify.com/manage/forms/setup/"
NETLIFY_SPAM = "https://docs.netlify.com/manage/forms/spam-filters/"

ROWS = [
    # Formspree
    Row(
        "Formspree, the first form",
        FORMSPREE_README,
        SITE,
        URLENCODED,
        NAVIGATION,
        [ADA, ("_replyto", "ada@example.com")],
        [ADA, MAIL],
        path="/f/default",
    ),
    Row(
        "Formspree, _replyto, _next, _subject, _cc, _gotcha",
        FORMSPREE_README,
        "https://site.io",
        URLENCODED,
        NAVIGATION,
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
    ),
    Row(
        "Formspree, jQuery",
        FORMSPREE_README,
        SITE,
        URLENCODED,
        XHR_FOR_JSON,
        [("message", "hello!")],
        [("message", "hello!")],
        path="/f/default",
    ),
    Row(
        "Formspree, fetch with FormData",
        FORMSPREE_AJAX,
        SITE,
        MULTIPART,
        FETCH_FOR_JSON,
        [MAIL, TEXT],
        [MAIL, READ],
        path="/f/default",
    ),
    Row(
        "Formspree, the React library with FormData",
        FORMSPREE_REACT,
        SITE,
        MULTIPART,
        {**FETCH_FOR_JSON, "Formspree-Session-Data": "eyJsb2FkZWRBdCI6MX0=", "Formspree-Client": "@formspree/react@2"},
        [MAIL],
        [MAIL],
        path="/f/default",
    ),
    Row(
        "Formspree, the library with an object",
        FORMSPREE_REACT,
        SITE,
        JSON,
        {**FETCH_FOR_JSON, "Formspree-Session-Data": "eyJsb2FkZWRBdCI6MX0="},
        [MAIL, READ],
        [MAIL, READ],
        path="/f/default",
    ),
    Row(
        "Formspree, the React library with extraData",
        FORMSPREE_REACT,
        SITE,
        MULTIPART,
        {**FETCH_FOR_JSON, "Formspree-Session-Data": "eyJsb2FkZWRBdCI6MX0=", "Formspree-Client": "@formspree/react@3"},
        [MAIL, TEXT, ("_subject", "New submission!"), ("plan", "free")],
        [MAIL, READ, ("subject", "New submission!"), ("plan", "free")],
        path="/f/default",
    ),
    Row(
        "Formspree, the Ajax library with data of its own",
        "https://github.com/formspree/formspree-js/blob/main/packages/formspree-ajax/README.md",
        SITE,
        MULTIPART,
        {**FETCH_FOR_JSON, "Formspree-Session-Data": "eyJsb2FkZWRBdCI6MX0=", "Formspree-Client": "@formspree/ajax@1"},
        [MAIL, ("source", "landing-page"), ("referrer", "https://example.org/")],
        [MAIL, ("source", "landing-page"), ("referrer", "https://example.org/")],
        path="/f/default",
    ),
    Row(
        "Formspree, honeypot, a robot",
        f"{FORMSPREE_HELP}/360013580813-Honeypot-spam-filtering",
        SITE,
        URLENCODED,
        NAVIGATION,
        [MAIL, TEXT, ("_gotcha", "https://spam.example")],
        [MAIL, READ],
        signals=("honeypot",),
        path="/f/default",
    ),
    Row(
        "Formspree, Cloudflare Turnstile",
        f"{FORMSPREE_HELP}/46614263949331-Protecting-your-Forms-with-Cloudflare-Turnstile",
        SITE,
        URLENCODED,
        NAVIGATION,
        [MAIL, TEXT, ("cf-turnstile-response", "0.abc")],
        [MAIL, READ],
        path="/f/default",
    ),
    Row(
        "Formspree, special fields of its plugins",
        f"{FORMSPREE_HELP}/360062302854-Special-Fields",
        SITE,
        URLENCODED,
        NAVIGATION,
        [("firstName", "Ada"), ("lastName", "Lovelace"), ("company", "Engines"), ("address", "London"), MAIL, TEXT],
        [("firstName", "Ada"), ("lastName", "Lovelace"), ("company", "Engines"), ("address", "London"), MAIL, READ],
        path="/f/default",
    ),
    # Web3Forms
    Row(
        "Web3Forms, the basic form",
        f"{WEB3FORMS}/basic-html-contact-form.md",
        SITE,
        URLENCODED,
        NAVIGATION,
        [("access_key", "YOUR_ACCESS_KEY_HERE"), ADA, MAIL, TEXT],
        [ADA, MAIL, READ],
    ),
    Row(
        "Web3Forms, all options, a file field left empty",
        f"{WEB3FORMS}/advanced-all-options.md",
        "https://web3forms.com",
        MULTIPART,
        NAVIGATION,
        [
            ("access_key", "YOUR_ACCESS_KEY_HERE"),
            ("subject", "New Submission from Web3Forms"),
            ("from_name", "Your Website Name"),
            ("ccemail", "partner@example.com"),
            ("replyto", "customer@example.com"),
            ("redirect", "https://web3forms.com/success"),
            ("h-captcha-response", "P1_abc"),
            ("recaptcha_response", ""),
            ("cf-turnstile-response", "0.abc"),
            ("webhook", "WEBHOOK_URL_HERE"),
            ("attachment?", ""),
            MAIL,
            ("First Name", "Ada"),
            ("Phone Number", "+1 (555) 1234-567"),
            TEXT,
        ],
        [
            ("subject", "New Submission from Web3Forms"),
            MAIL,
            ("First Name", "Ada"),
            ("Phone Number", "+1 (555) 1234-567"),
            READ,
        ],
        ignored=("ccemail", "webhook"),
        next="https://web3forms.com/success",
    ),
    Row(
        "Web3Forms, fetch with JSON",
        f"{WEB3FORMS}/ajax-contact-form-using-javascript.md",
        SITE,
        JSON,
        FETCH_FOR_JSON,
        [
            ("apikey", "YOUR_ACCESS_KEY_HERE"),
            ("subject", "New Submission from Web3Forms"),
            ADA,
            MAIL,
            ("phone", "+1 (555) 1234-567"),
            READ,
        ],
        [("subject", "New Submission from Web3Forms"), ADA, MAIL, ("phone", "+1 (555) 1234-567"), READ],
    ),
    Row(
        "Web3Forms, fetch with JSON, a robot",
        f"{WEB3FORMS}/ajax-contact-form-using-javascript.md",
        SITE,
        JSON,
        FETCH_FOR_JSON,
        [("apikey", "YOUR_ACCESS_KEY_HERE"), ("botcheck", "on"), ADA, MAIL, READ],
        [ADA, MAIL, READ],
        signals=("honeypot",),
    ),
    Row(
        "Web3Forms, check boxes",
        f"{WEB3FORMS}/with-multiple-checkbox.md",
        SITE,
        URLENCODED,
        NAVIGATION,
        [("access_key", "YOUR_ACCESS_KEY_HERE"), ("interest", "coding"), ("interest", "music"), ("check", "checked")],
        [("interest", "coding, music"), ("check", "checked")],
    ),
    Row(
        "Web3Forms, fetch with JSON and the key's newer name",
        f"{WEB3FORMS_GUIDES}/html-and-javascript.md",
        SITE,
        JSON,
        FETCH_FOR_JSON,
        [
            ("access_key", "YOUR_ACCESS_KEY_HERE"),
            ("subject", "New Submission from Web3Forms"),
            MAIL,
            ADA,
            ("phone", "+1 (555) 1234-567"),
            READ,
        ],
        [("subject", "New Submission from Web3Forms"), MAIL, ADA, ("phone", "+1 (555) 1234-567"), READ],
    ),
    Row(
        "Web3Forms, fetch with FormData in React",
        f"{WEB3FORMS_GUIDES}/js-frameworks/react-js/simple-react-contact-form.md",
        SITE,
        MULTIPART,
        FETCH,
        [ADA, MAIL, TEXT, ("access_key", "YOUR_ACCESS_KEY_HERE")],
        [ADA, MAIL, READ],
    ),
    # FormSubmit
    Row(
        "FormSubmit, the basic form",
        FORMSUBMIT,
        SITE,
        URLENCODED,
        NAVIGATION,
        [ADA, MAIL],
        [ADA, MAIL],
    ),
    Row(
        "FormSubmit, every setting",
        FORMSUBMIT,
        "https://yourdomain.co",
        URLENCODED,
        NAVIGATION,
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
    ),
    Row(
        "FormSubmit, a form for files, none chosen",
        FORMSUBMIT,
        SITE,
        MULTIPART,
        NAVIGATION,
        [ADA, MAIL, ("attachment?", ""), TEXT],
        [ADA, MAIL, READ],
    ),
    Row(
        "FormSubmit, fetch with JSON",
        FORMSUBMIT_AJAX,
        SITE,
        JSON,
        FETCH_FOR_JSON,
        [("name", "FormSubmit"), ("message", "I'm from Devro LABS")],
        [("name", "FormSubmit"), ("message", "I'm from Devro LABS")],
    ),
    Row(
        "FormSubmit, jQuery",
        FORMSUBMIT_AJAX,
        SITE,
        URLENCODED,
        XHR_FOR_JSON,
        [("name", "FormSubmit"), ("message", "I'm from Devro LABS")],
        [("name", "FormSubmit"), ("message", "I'm from Devro LABS")],
    ),
    Row(
        "FormSubmit, Axios",
        "https://gist.github.com/kesarawimal/863b2109514558ba4dd803372e035d89",
        SITE,
        JSON,
        AXIOS,
        [("name", "FormSubmit"), ("message", "I'm from Devro LABS")],
        [("name", "FormSubmit"), ("message", "I'm from Devro LABS")],
    ),
    Row(
        "FormSubmit, honeypot, a robot",
        FORMSUBMIT,
        SITE,
        URLENCODED,
        NAVIGATION,
        [ADA, MAIL, ("_honey", "x")],
        [ADA, MAIL],
        signals=("honeypot",),
    ),
    # Netlify Forms
    Row(
        "Netlify, the HTML form with a multiple choice",
        NETLIFY,
        SITE,
        URLENCODED,
        NAVIGATION,
        [("form-name", "contact"), ADA, MAIL, ("role[]", "leader"), ("role[]", "follower"), TEXT],
        [("source", "contact"), ADA, MAIL, ("role[]", "leader, follower"), READ],
    ),
    Row(
        "Netlify, a subject of one's own",
        "https://docs.netlify.com/manage/forms/notifications/",
        SITE,
        URLENCODED,
        NAVIGATION,
        [("form-name", "contact"), ("subject", "Sales inquiry from mysitename.netlify.app"), MAIL, TEXT],
        [("source", "contact"), ("subject", "Sales inquiry from mysitename.netlify.app"), MAIL, READ],
    ),
    Row(
        "Netlify, honeypot and reCAPTCHA",
        NETLIFY_SPAM,
        SITE,
        URLENCODED,
        NAVIGATION,
        [("form-name", "contact"), ("bot-field", ""), MAIL, TEXT, ("g-recaptcha-response", "03AGdBq2")],
        [("source", "contact"), MAIL, READ],
    ),
    Row(
        "Netlify, honeypot, a robot",
        NETLIFY_SPAM,
        SITE,
        URLENCODED,
        NAVIGATION,
        [("form-name", "contact"), ("bot-field", "x"), MAIL, TEXT],
        [("source", "contact"), MAIL, READ],
        signals=("honeypot",),
    ),
    Row(
        "Netlify, fetch with URLSearchParams",
        NETLIFY,
        SITE,
        URLENCODED,
        FETCH,
        [("form-name", "pizzaOrder"), ADA, ("order", "Margherita")],
        [("source", "pizzaOrder"), ADA, ("order", "Margherita")],
    ),
    Row(
        "Netlify, fetch with FormData, no file chosen",
        NETLIFY,
        SITE,
        MULTIPART,
        FETCH,
        [("form-name", "fileForm"), ADA, ("file?", "")],
        [("source", "fileForm"), ADA],
    ),
    Row(
        "Netlify, a success page in action, which ours takes the place of",
        NETLIFY,
        SITE,
        URLENCODED,
        NAVIGATION,
        [("form-name", "contact"), ADA, MAIL, TEXT],
        [("source", "contact"), ADA, MAIL, READ],
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
    assert list(message["fields"].items()) == list(row.published)
    assert tuple(message.get("signals", ())) == row.signals
    if row.status == 303:
        assert response.headers["Location"] == (row.next or thanks)
    else:
        ignored = {"ignored": list(row.ignored)} if row.ignored else {}
        herald = {"id": message["id"], "status": "accepted", "next": row.next or thanks, **ignored}
        expected = {**herald, **row.expected}
        assert response.json_body == expected


def test_each_service_is_there_in_each_way_that_it_documents() -> None:
    ways = {(row.name.partition(",")[0], row.encoding) for row in ROWS}
    services = ("Formspree", "Web3Forms", "FormSubmit", "Netlify")
    assert ways >= {(service, encoding) for service in services for encoding in (URLENCODED, MULTIPART)}
    assert ways >= {(service, JSON) for service in services if service != "Netlify"}, "Netlify takes no JSON"
