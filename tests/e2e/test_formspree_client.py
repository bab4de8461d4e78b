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


def test_an_object_is_a_success_and_rings_the_phone(herald: Harness, submit: Submit, own: str) -> None:
    word = marker()
    result = submit(fields={"name": "Ada", "email": "ada@example.com", "message": word}, origin=own)
    assert (result["kind"], result["next"]) == ("success", herald.stage.sites["default"].thanks)
    assert fields_of(herald, word) == {"name": "Ada", "email": "ada@example.com", "message": word}


def test_form_data_is_a_success_and_leads_where_the_form_wished(herald: Harness, submit: Submit, own: str) -> None:
    word = marker()
    wish = f"{own}/done.html"
    pairs = [["email", "ada@example.com"], ["interest", "code"], ["interest", "music"], ["_next", wish]]
    result = submit(pairs=[*pairs, ["message", f"{word}\r\nGrüße"]], origin=own)
    assert (result["kind"], result["next"]) == ("success", wish)
    assert fields_of(herald, word) == {
        "email": "ada@example.com",
        "interest": "code, music",
        "message": f"{word}\nGrüße",
    }


def test_values_of_every_type_that_the_library_allows_arrive_as_text(herald: Harness, submit: Submit, own: str) -> None:
    word = marker()
    kinds = {"count": 3, "share": 0.5, "agreed": True, "none": None, "interest": ["code", "music"]}
    result = submit(fields={**kinds, "message": word}, origin=own)
    assert result["kind"] == "success", result
    assert fields_of(herald, word) == {
        "count": "3",
        "share": "0.5",
        "agreed": "true",
        "none": "",
        "interest": "code, music",
        "message": word,
    }


def test_a_value_that_is_left_undefined_is_no_field(herald: Harness, submit: Submit, own: str) -> None:
    """JSON.stringify leaves it out: what is required is then missing, rather than empty."""
    result = submit(fields={"email": "ada@example.com"}, origin=own)
    assert [error["code"] for error in result["fieldErrors"]["message"]] == ["REQUIRED_FIELD_MISSING"]


@pytest.mark.parametrize("kind", ["fields", "pairs"])
def test_the_address_may_be_called_replyto(herald: Harness, submit: Submit, own: str, kind: str) -> None:
    word = marker()
    sent = {"_replyto": "ada@example.com", "message": word}
    result = submit(**{kind: sent if kind == "fields" else list(sent.items())}, origin=own)
    assert result["kind"] == "success", result
    assert fields_of(herald, word) == {"email": "ada@example.com", "message": word}


@pytest.mark.parametrize("kind", ["fields", "pairs"])
def test_extra_data_arrives_beside_the_forms_own_fields(herald: Harness, submit: Submit, own: str, kind: str) -> None:
    """``extraData`` of the React library is added by ``appendExtraData`` of this one."""
    word = marker()
    extra = {"_subject": "A question", "plan": "free"}
    result = submit(**{kind: {"message": word} if kind == "fields" else [["message", word]]}, extra=extra, origin=own)
    assert result["kind"] == "success", result
    assert fields_of(herald, word) == {"message": word, "subject": "A question", "plan": "free"}


@pytest.mark.parametrize("kind", ["fields", "pairs"])
def test_each_mistake_is_at_its_field_with_a_code_that_the_library_knows(
    herald: Harness, submit: Submit, own: str, kind: str
) -> None:
    sent = {"email": "nobody", "message": ""}
    result = submit(**{kind: sent if kind == "fields" else list(sent.items())}, origin=own)
    assert result["kind"] == "error"
    assert result["formErrors"] == []
    assert result["emailErrors"] == [
        {"code": "TYPE_EMAIL", "message": "This is not an email address such as name@example.com."}
    ]
    assert result["fieldErrors"] == {
        "email": result["emailErrors"],
        "message": [{"code": "REQUIRED_FIELD_EMPTY", "message": "This field is required."}],
    }


def test_a_missing_field_is_told_from_an_empty_one(herald: Harness, submit: Submit, own: str) -> None:
    result = submit(pairs=[["email", ""]], origin=own)
    assert result["formErrors"] == []
    assert result["fieldErrors"] == {
        "message": [{"code": "REQUIRED_FIELD_MISSING", "message": "This field is required."}]
    }


def test_a_mistake_stands_at_the_name_under_which_the_form_sent_it(herald: Harness, submit: Submit, own: str) -> None:
    result = submit(fields={"_replyto": "nobody", "message": marker()}, origin=own)
    assert [error["code"] for error in result["fieldErrors"]["_replyto"]] == ["TYPE_EMAIL"]
    assert result["emailErrors"] == []


def test_a_value_that_no_form_can_send_is_an_error_of_its_type(herald: Harness, submit: Submit, own: str) -> None:
    result = submit(fields={"message": marker(), "address": {"city": "London"}}, origin=own)
    assert [error["code"] for error in result["fieldErrors"]["address"]] == ["TYPE_TEXT"]


def test_a_file_is_refused_in_words_that_the_caller_can_show(herald: Harness, submit: Submit, own: str) -> None:
    word = marker()
    result = submit(pairs=[["message", word], ["attachment", {"file": "a.txt", "text": "a"}]], origin=own)
    assert result["kind"] == "error"
    errors = [*result["formErrors"], *(error for each in result["fieldErrors"].values() for error in each)]
    assert [error["message"] for error in errors] == ["Files can't be sent with this form."]


def test_an_unknown_site_is_an_error_of_the_form(herald: Harness, submit: Submit, own: str) -> None:
    result = submit("nowhere", fields={"message": marker()}, origin=own)
    assert (result["kind"], result["fieldErrors"]) == ("error", {})
    (error,) = result["formErrors"]
    assert (error["code"], error["message"]) == ("FORM_NOT_FOUND", "There is no such form here.")


def test_a_foreign_page_gets_an_error_of_the_form_and_rings_nobody(herald: Harness, submit: Submit, own: str) -> None:
    result = submit(fields={"message": marker()}, origin=FOREIGN)
    assert (result["kind"], result["fieldErrors"]) == ("error", {})
    assert len(result["formErrors"]) == 1
    (request,) = result["requests"]
    assert (request["status"], request["allowed"]) == (403, None)
    # A message that is accepted afterwards has passed everything that could have come of the one before.
    word = marker()
    assert submit(fields={"message": word}, origin=own)["kind"] == "success"
    wait_for(lambda: herald.pushes(word), "push")
    assert herald.provider_requests() == 1


def test_a_script_on_a_server_sends_no_origin_and_is_heard(herald: Harness, submit: Submit) -> None:
    word = marker()
    assert submit(fields={"message": word})["kind"] == "success"
    wait_for(lambda: herald.pushes(word), "push")


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
    preflight = requests.options(
        f"{herald.urls['api']}/f/default",
        headers={
            "Origin": own,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": ",".join(sorted(names)),
        },
        timeout=PATIENCE,
    )
    assert (preflight.status_code, preflight.headers["Access-Control-Allow-Origin"]) == (204, own)
    assert names <= set(preflight.headers["Access-Control-Allow-Headers"].lower().split(", "))
