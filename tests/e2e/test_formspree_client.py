"""Formspree's own client library, as it is published, against the running stack: only ``endpoint`` is ours.

The library knows an answer by its members and not by its status: ``next`` is a success, ``errors`` are errors of
fields, or of the form where they name no field. ``tests/node/formspree.mjs`` calls it and prints what its caller gets.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests import needs
from tests.e2e.harness import PATIENCE, Harness, marker, wait_for

pytestmark = pytest.mark.full

PROGRAM = Path(__file__).parents[1] / "node" / "formspree.mjs"
PACKAGE = "@formspree/core"
FOREIGN = "https://evil.example"
Submit = Callable[..., dict[str, Any]]


@pytest.fixture
def own(herald: Harness) -> str:
    """The origin of the site's own pages."""
    return herald.stage.sites["default"].origins[0]


@pytest.fixture
def submit(herald: Harness) -> Submit:
    """Submits a form with the library; returns what its caller gets, and the requests that it made."""
    node = needs.node()
    needs.npm_package(PACKAGE)

    def run(form: str = "default", **job: Any) -> dict[str, Any]:
        ran = subprocess.run(
            [node, str(PROGRAM)],
            input=json.dumps({"endpoint": herald.urls["api"], "form": form, **job}),
            capture_output=True,
            text=True,
            timeout=3 * PATIENCE,
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        result: dict[str, Any] = json.loads(ran.stdout)
        return result

    return run


def fields_of(herald: Harness, word: str) -> dict[str, str]:
    """The fields of the message that rang the phone with this word, as its record has them."""
    wait_for(lambda: herald.pushes(word), "push")

    def look() -> dict[str, Any] | None:
        accepted = (line["message_id"] for line in herald.lines("api_handler") if line.get("message") == "Accepted")
        texts = (herald.published(message_id) for message_id in accepted if herald.item(message_id))
        return next((json.loads(text) for text in texts if word in text), None)

    fields: dict[str, str] = wait_for(look, "record of the message")["fields"]
    return fields


KINDS = {"count": 3, "share": 0.5, "agreed": True, "none": None, "interest": ["code", "music"]}
TEXTS = {"count": "3", "share": "0.5", "agreed": "true", "none": "", "interest": "code, music"}
EXTRA = {"_subject": "A question", "plan": "free"}


@pytest.mark.parametrize(
    ("job", "received"),
    [
        pytest.param({"fields": KINDS}, TEXTS, id="values of every type that the library allows"),
        pytest.param(
            {"pairs": [["interest", "code"], ["interest", "music"]]}, {"interest": "code, music"}, id="FormData"
        ),
        pytest.param({"fields": {"_replyto": "ada@example.com"}}, {"email": "ada@example.com"}, id="_replyto"),
        # ``extraData`` of the React library is added by ``appendExtraData`` of this one.
        pytest.param({"fields": {}, "extra": EXTRA}, {"subject": "A question", "plan": "free"}, id="extra data"),
        pytest.param({"pairs": [], "extra": EXTRA}, {"subject": "A question", "plan": "free"}, id="extra FormData"),
    ],
)
def test_what_is_a_success_arrives_whole(
    herald: Harness, submit: Submit, own: str, job: dict[str, Any], received: dict[str, str]
) -> None:
    word = marker()
    message = {"fields": job["fields"] | {"message": word}} if "fields" in job else {}
    pairs = {"pairs": [*job["pairs"], ["message", word]]} if "pairs" in job else {}
    result = submit(**{**job, **message, **pairs}, origin=own)
    assert (result["kind"], result["next"]) == ("success", herald.stage.sites["default"].thanks)
    assert fields_of(herald, word) == {"message": word, **received}


def test_it_leads_where_the_form_wished(submit: Submit, own: str) -> None:
    result = submit(pairs=[["_next", f"{own}/done.html"], ["message", marker()]], origin=own)
    assert (result["kind"], result["next"]) == ("success", f"{own}/done.html")


EMAIL = {"code": "TYPE_EMAIL", "message": "This is not an email address such as name@example.com."}
MISSING = {"code": "REQUIRED_FIELD_MISSING", "message": "This field is required."}
EMPTY = MISSING | {"code": "REQUIRED_FIELD_EMPTY"}


@pytest.mark.parametrize(
    ("job", "errors"),
    [
        pytest.param({"fields": {"email": "nobody", "message": ""}}, {"email": EMAIL, "message": EMPTY}, id="object"),
        pytest.param(
            {"pairs": [["email", "nobody"], ["message", ""]]}, {"email": EMAIL, "message": EMPTY}, id="FormData"
        ),
        # JSON.stringify leaves a value out that is undefined.
        pytest.param({"fields": {"email": "ada@example.com"}}, {"message": MISSING}, id="missing is not empty"),
        pytest.param(
            {"fields": {"_replyto": "nobody", "message": "x"}}, {"_replyto": EMAIL}, id="the name that the form sent"
        ),
    ],
)
def test_each_mistake_is_at_its_field_with_a_code_that_the_library_knows(
    submit: Submit, own: str, job: dict[str, Any], errors: dict[str, Any]
) -> None:
    result = submit(**job, origin=own)
    assert (result["kind"], result["formErrors"]) == ("error", [])
    assert result["fieldErrors"] == {field: [error] for field, error in errors.items()}
    assert result["emailErrors"] == result["fieldErrors"].get("email", [])


def test_a_value_that_no_form_can_send_is_an_error_of_its_type(submit: Submit, own: str) -> None:
    result = submit(fields={"message": marker(), "address": {"city": "London"}}, origin=own)
    assert [error["code"] for error in result["fieldErrors"]["address"]] == ["TYPE_TEXT"]


def test_a_file_is_refused_in_words_that_the_caller_can_show(submit: Submit, own: str) -> None:
    result = submit(pairs=[["message", marker()], ["attachment", {"file": "a.txt", "text": "a"}]], origin=own)
    assert result["kind"] == "error"
    errors = [*result["formErrors"], *(error for each in result["fieldErrors"].values() for error in each)]
    assert [error["message"] for error in errors] == ["Files can't be sent with this form."]


def test_an_unknown_site_is_an_error_of_the_form(submit: Submit, own: str) -> None:
    result = submit("nowhere", fields={"message": marker()}, origin=own)
    assert (result["kind"], result["fieldErrors"]) == ("error", {})
    (error,) = result["formErrors"]
    assert (error["code"], error["message"]) == ("FORM_NOT_FOUND", "There is no such form here.")


def test_a_foreign_page_gets_an_error_of_the_form_and_rings_nobody(herald: Harness, submit: Submit) -> None:
    result = submit(fields={"message": marker()}, origin=FOREIGN)
    assert (result["kind"], result["fieldErrors"], len(result["formErrors"])) == ("error", {}, 1)
    (request,) = result["requests"]
    assert (request["status"], request["allowed"]) == (403, None)
    # A message that is accepted afterwards has passed everything that could have come of the one before. A script on
    # a server sends no origin.
    word = marker()
    assert submit(fields={"message": word})["kind"] == "success"
    wait_for(lambda: herald.pushes(word), "push")
    assert herald.provider_requests() == 1


@pytest.mark.parametrize(
    "data", [{"fields": {"email": "nobody"}}, {"pairs": [["email", "nobody"]]}], ids=["object", "FormData"]
)
def test_a_page_may_send_every_header_that_the_library_adds_and_read_the_answer(
    herald: Harness, submit: Submit, own: str, data: dict[str, Any]
) -> None:
    """A browser asks first for exactly these headers, and shows a page no answer that doesn't name its origin."""
    result = submit(**data, origin=own, page=True, client="@formspree/react@3.0.0")
    (request,) = result["requests"]
    assert request["path"] == f"{urlsplit(herald.urls['api']).path}/f/default"
    assert request["allowed"] == own
    # Accept needs no leave (Fetch, 2.2.2).
    names = {name.lower() for name in request["headers"]} - {"accept"}
    assert names >= {"formspree-client", "formspree-session-data"}
    assert ("content-type" in names) == ("fields" in data)
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": ",".join(sorted(names))}
    address, headers = f"{herald.urls['api']}/f/default", {"Origin": own, **asked}
    preflight = requests.options(address, headers=headers, timeout=PATIENCE)
    assert (preflight.status_code, preflight.headers["Access-Control-Allow-Origin"]) == (204, own)
    assert names <= set(preflight.headers["Access-Control-Allow-Headers"].lower().split(", "))
