"""Spam and the same message twice, as the form's address and ``destined`` see them, and as nobody outside can tell."""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

import pytest
from altcha import solve_challenge
from altcha.v2 import Challenge, Payload
from chalice.app import Chalice
from chalice.test import Client

from chalicelib import handlers
from chalicelib.adapters.message_table import MessageTable
from chalicelib.adapters.secrets import Secrets
from chalicelib.composition import Topic, override_container
from chalicelib.errors import CaptchaError, ChannelUnavailableError, DeliveryIncompleteError, StoreError
from chalicelib.logic import spam
from chalicelib.logic.captcha_verdict import Verify
from chalicelib.logic.delivery_types import Record
from chalicelib.logic.message import Message
from chalicelib.logic.proof_of_work import make_challenge
from chalicelib.settings import Captcha, Spam, Stage
from ops.generate import openapi
from tests.dynamodb import LocalTable
from tests.error_page import Page
from tests.fakes import (
    NOW,
    Clock,
    Context,
    FakeContainer,
    InMemoryMessages,
    InMemoryRecent,
    Key,
    MissingKey,
    RecordingNotifier,
    RecordingTopic,
    RecoveringNotifier,
    RefusingTopic,
    message,
)
from tests.functional.conftest import DescribedClient
from tests.functional.test_contact import FORM, UUID, body_of, post
from tests.functional.test_destined import sns_event
from tests.openapi import operations

HOME = "http://127.0.0.1:8080"
"""The origin of the local stage's site."""
FOREIGN = "https://evil.example"
ADDRESS = "203.0.113.77"
KEY = "0123456789abcdef" * 4
"""That of the fake."""
RATE = Spam(points={"rate": 10}, most_messages=2, rate_minutes=60)
PROOF = Spam(points={"proof_of_work": 10}, proof_tries=2)
BOTH = Spam(points={"rate": 10, "proof_of_work": 10}, most_messages=2, rate_minutes=60, proof_tries=2)
ALL = Spam(
    points=dict.fromkeys(("honeypot", "fill_time", "links", "rate", "proof_of_work"), 10),
    min_fill_seconds=3,
    most_links=1,
    most_messages=2,
    rate_minutes=60,
    proof_tries=2,
)
RULES = {"nothing": Spam(), "rate": RATE, "proof": PROOF, "both": BOTH, "all": ALL}


def guarded(local: Stage, rules: Spam, **more: Any) -> Stage:
    """The local stage with rules for its site."""
    return local._replace(sites={"default": local.sites["default"]._replace(spam=rules, **more)})


class Unreadable:
    """A key that must not be read."""

    def read(self) -> dict[str, str]:
        raise AssertionError("nobody needs the key here")

    def forget(self) -> None:
        raise AssertionError("nobody needs the key here")


def now() -> int:
    """The library that verifies a solution looks at the real clock."""
    return int(time.time())


def solution_of(challenge: dict[str, Any]) -> tuple[str, str]:
    """A solution as ALTCHA's widget sends it, and the id of its challenge."""
    asked = Challenge.from_dict(challenge)
    solution = solve_challenge(asked)
    assert solution is not None
    return Payload(asked, solution).to_base64(), asked.parameters.nonce


def solved(site: str = "default", key: str = KEY, at: int | None = None) -> tuple[str, str]:
    return solution_of(make_challenge(site, 2, key, now() if at is None else at))


@pytest.fixture
def topic() -> RecordingTopic:
    return RecordingTopic()


@pytest.fixture
def send(
    module: ModuleType, local: Stage, topic: RecordingTopic, api_event: Callable[..., Any], context: Any
) -> Callable[..., Any]:
    """Sends a form from ``ADDRESS``, as API Gateway hands it to Lambda."""

    def send(
        rules: Spam,
        body: dict[str, object],
        *,
        key: Secrets | None = None,
        address: object = ADDRESS,
        to: Topic | None = None,
        form: bool = False,
        **headers: str,
    ) -> Any:
        text = urlencode(body) if form else json.dumps(body)
        kind, accept = (FORM["Content-Type"], FORM["Accept"]) if form else ("application/json", "*/*")
        event = api_event(text, content_type=kind, accept=accept)
        event["requestContext"]["identity"] = {**event["requestContext"]["identity"], "sourceIp": address}
        if address is None:
            del event["requestContext"]["identity"]
        event["headers"].update(headers)
        event["multiValueHeaders"].update({name: [value] for name, value in headers.items()})
        with override_container(FakeContainer(guarded(local, rules), topic=to or topic, key=key)):
            return module.app(event, context)

    return send


def published(topic: RecordingTopic) -> dict[str, Any]:
    """The last message that was published."""
    found: dict[str, Any] = json.loads(topic.published[-1].text)
    return found


Send = Callable[..., Any]
BARE = {"version", "id", "site", "received_at", "fields"}
HASHES = {"sender_hash", "network_hash"}


# What the API function adds to a message


def test_a_site_without_any_sign_reads_no_key_and_publishes_what_it_did_before(
    send: Send, topic: RecordingTopic
) -> None:
    for rules in (Spam(), Spam(points={"honeypot": 1, "fill_time": 1, "links": 1}, min_fill_seconds=1)):
        assert (
            send(rules, {"message": "Hi", "altcha": "x", "_fill_seconds": "9"}, key=Unreadable())["statusCode"] == 202
        )
        assert set(published(topic)) == BARE | {"evidence"}, "the time that people take speaks for a person"


@pytest.mark.parametrize(
    ("rules", "body", "more"),
    [
        ("nothing", {}, set()),
        ("rate", {}, HASHES),
        ("rate", {"altcha": "{proof}"}, HASHES),
        ("proof", {"altcha": "{proof}"}, {"solved_challenge"}),
        ("proof", {}, {"signals"}),
        ("both", {"altcha": "{proof}"}, {*HASHES, "solved_challenge"}),
        ("both", {"altcha": "rubbish"}, {*HASHES, "signals"}),
        ("all", {"altcha": "{proof}", "_fill_seconds": "9", "_gotcha": ""}, {*HASHES, "evidence", "solved_challenge"}),
        ("all", {"altcha": "{proof}", "_fill_seconds": "1", "_gotcha": "x"}, {*HASHES, "solved_challenge", "signals"}),
    ],
)
def test_a_message_has_of_sender_proof_and_signals_what_there_is(
    send: Send, topic: RecordingTopic, rules: str, body: dict[str, str], more: set[str]
) -> None:
    proof, nonce = solved()
    sent = {name: text.replace("{proof}", proof) for name, text in body.items()}
    assert send(RULES[rules], {"message": "Hi", **sent}, key=Key())["statusCode"] == 202
    found = published(topic)
    assert set(found) == BARE | more
    assert found["fields"] == {"message": "Hi"}
    assert found.get("solved_challenge", nonce) == nonce
    assert found.get("sender_hash", "") in ("", spam.hash_sender(ADDRESS, "default", KEY))
    assert proof not in topic.published[-1].text


@pytest.mark.parametrize(
    ("rules", "body", "signals"),
    [
        ("nothing", {"_gotcha": "x", "_fill_seconds": "0"}, ["honeypot"]),
        ("all", {"_gotcha": "x", "_fill_seconds": "0", "altcha": ""}, ["honeypot", "fill_time", "proof_missing"]),
        ("all", {"_fill_seconds": 0.4, "altcha": "x"}, ["fill_time", "proof_wrong"]),
        ("all", {"_fill_seconds": 9, "altcha": "  "}, ["proof_missing"]),
        ("proof", {"altcha": None}, ["proof_missing"]),
        ("proof", {"altcha": [1, 2]}, ["proof_wrong"]),
        ("proof", {"altcha": True}, ["proof_wrong"]),
        ("proof", {"altcha": "A" * 60_000}, ["proof_wrong"]),
    ],
)
def test_signals_are_published_in_the_order_found(
    send: Send, topic: RecordingTopic, rules: str, body: dict[str, object], signals: list[str]
) -> None:
    assert send(RULES[rules], {"message": "Hi", **body}, key=Key())["statusCode"] == 202
    assert published(topic)["signals"] == signals


@pytest.mark.parametrize(
    ("site", "key", "age"),
    [("shop", KEY, 0), ("default", "f" * 64, 0), ("default", KEY, spam.PROOF_LIFE + 5)],
    ids=["another site's", "of another key", "too old"],
)
def test_a_solution_that_is_none_for_this_site_and_day_is_wrong(
    send: Send, topic: RecordingTopic, site: str, key: str, age: int
) -> None:
    send(PROOF, {"message": "Hi", "altcha": solved(site, key, now() - age)[0]}, key=Key())
    assert (published(topic)["signals"], "solved_challenge" in published(topic)) == (["proof_wrong"], False)


@pytest.mark.parametrize("rules", ["rate", "proof", "both", "all"])
def test_without_the_key_a_message_is_accepted_unchecked_and_an_error_is_logged(
    send: Send, topic: RecordingTopic, log: Any, rules: str
) -> None:
    answer = send(RULES[rules], {"message": "Hi", "altcha": "x"}, key=MissingKey())
    assert answer["statusCode"] == 202
    assert (set(published(topic)), published(topic)["signals"]) == (BARE | {"signals"}, ["unchecked"])
    line = log.line("The key could not be read")
    assert (line["level"], line["reason"]) == ("ERROR", "not set in Parameter Store: /herald/dev/spam/key")


def test_what_the_form_itself_shows_is_seen_without_the_key(send: Send, topic: RecordingTopic) -> None:
    send(ALL, {"message": "Hi", "_gotcha": "x"}, key=MissingKey())
    assert published(topic)["signals"] == ["honeypot", "unchecked"]


@pytest.mark.parametrize("address", ["", None, "test-invoke-source-ip", "::1%lo"])
def test_a_request_without_an_address_has_no_sender_or_one_of_its_own_and_is_accepted(
    send: Send, topic: RecordingTopic, address: object
) -> None:
    assert send(RATE, {"message": "Hi"}, key=Key(), address=address)["statusCode"] == 202
    assert ("sender_hash" in published(topic)) is (address == "::1%lo")


def test_no_header_of_the_request_chooses_the_address(send: Send, topic: RecordingTopic) -> None:
    senders = set()
    for forged in ("198.51.100.1", "198.51.100.2"):
        named = dict.fromkeys(("X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP"), forged)
        send(RATE, {"message": "Hi"}, key=Key(), **named)
        senders.add(published(topic)["sender_hash"])
    assert senders == {spam.hash_sender(ADDRESS, "default", KEY)}


def test_no_field_of_the_form_is_taken_for_what_herald_adds(send: Send, topic: RecordingTopic) -> None:
    own = dict.fromkeys(("sender_hash", "solved_challenge", "has_idempotency_key", "signals", "score", "held"), "true")
    send(Spam(), {"message": "Hi", **own})
    assert set(published(topic)) == BARE
    assert published(topic)["fields"] == {"message": "Hi", **own}


@pytest.mark.parametrize(
    ("headers", "keyed"),
    [
        ({}, False),
        ({"Idempotency-Key": "k"}, True),
        ({"idempotency-KEY": " k "}, True),
        ({"Idempotency-Key": "  "}, False),
    ],
)
def test_a_message_says_that_it_has_a_key_and_never_which(
    send: Send, topic: RecordingTopic, headers: dict[str, str], keyed: bool
) -> None:
    send(Spam(), {"message": "Hi"}, **{name: value.replace("k", "MARKER") for name, value in headers.items()})
    assert published(topic).get("has_idempotency_key", False) is keyed
    assert "MARKER" not in topic.published[-1].text


@pytest.mark.parametrize("address", [ADDRESS, "2001:db8:7777:8888::9"])
def test_the_address_is_nowhere(
    send: Send, topic: RecordingTopic, log: Any, capfd: pytest.CaptureFixture[str], address: str
) -> None:
    """Neither in what is published, nor in the log, nor in the answer: also when something goes wrong."""
    answers = [
        send(rules, body, key=key, address=address, to=to, form=form)
        for rules in (BOTH, Spam())
        for key in (Key(), MissingKey())
        for to in (topic, RefusingTopic())
        for body in ({"message": "Hi"}, {"message": "Hi", "altcha": "x"}, {})
        for form in (True, False)
    ]
    said = json.dumps(answers) + log.text + "".join(capfd.readouterr()) + "".join(p.text for p in topic.published)
    assert len(topic.published) == 16
    for written in (address, "sourceIp", "7777:8888"):
        assert written not in said


# What the sender is told


@pytest.mark.parametrize("form", [False, True], ids=["program", "browser"])
def test_the_senders_answer_is_the_same_whatever_was_found(send: Send, topic: RecordingTopic, form: bool) -> None:
    proof, _ = solved()
    cases: list[tuple[Spam, dict[str, object], Secrets | None]] = [
        (Spam(), {}, None),
        (Spam(), {"_gotcha": "x"}, None),
        (ALL, {"altcha": proof, "_fill_seconds": "9"}, Key()),
        (ALL, {"altcha": proof, "_fill_seconds": "9"}, Key()),
        (ALL, {"altcha": "rubbish"}, Key()),
        (ALL, {}, Key()),
        (ALL, {"_gotcha": "x", "_fill_seconds": "0", "more": "http://a " * 50}, Key()),
        (ALL, {}, MissingKey()),
    ]
    told = []
    for rules, body, key in cases:
        answer = send(rules, {"message": "Hi", **body}, key=key, form=form, Origin=HOME)
        text = UUID.sub("<id>", answer["body"])
        told.append((answer["statusCode"], sorted(answer["headers"].items()), answer["multiValueHeaders"], text))
    assert len(topic.published) == len(cases)
    assert told.count(told[0]) == len(cases)
    assert told[0][0] == (303 if form else 202)


def test_a_refused_form_keeps_what_the_pages_script_put_in(send: Send, topic: RecordingTopic) -> None:
    """Or who mistyped his address would have to solve another challenge, for which the page has no script."""
    proof, nonce = solved()
    typed = {"email": "nobody", "message": "Hi", "altcha": proof, "_fill_seconds": "12.5", "_gotcha": ""}
    refused = send(ALL, typed, key=Unreadable(), form=True)
    assert refused["statusCode"] == 422
    page = Page(refused["body"])
    assert page.values == typed
    assert page.hidden == {"altcha", "_fill_seconds", "_gotcha"}
    assert topic.published == []
    assert send(ALL, page.values | {"email": "ada@example.com"}, key=Key(), form=True)["statusCode"] == 303
    assert (published(topic)["solved_challenge"], "signals" in published(topic)) == (nonce, False)


def test_the_page_of_a_topic_that_did_not_accept_keeps_the_solution_too(send: Send) -> None:
    proof, _ = solved()
    refused = send(ALL, {"message": "Hi", "altcha": proof}, key=Key(), form=True, to=RefusingTopic())
    assert refused["statusCode"] == 503
    assert Page(refused["body"]).values == {"message": "Hi", "altcha": proof}


def test_nothing_that_a_visitor_sent_for_the_signs_is_logged(
    send: Send, log: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    body: dict[str, object] = {"message": "Hi", "altcha": "MARKER", "_fill_seconds": "MARKER", "_gotcha": "MARKER"}
    for key in (Key(), MissingKey()):
        for to in (None, RefusingTopic()):
            answer = send(ALL, body, key=key, to=to, **{"Idempotency-Key": "MARKER"})
            assert "MARKER" not in json.dumps(answer)
    assert "MARKER" not in log.text + "".join(capfd.readouterr())


# The challenge's address


@pytest.fixture(scope="module")
def app_that_asks(root: Path, local: Stage) -> Chalice:
    """The app as it is for a stage with a site that asks for a proof of work: ``app.py`` once more, by another name."""
    spec = importlib.util.spec_from_file_location("app_that_asks", root / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with override_container(FakeContainer(guarded(local, PROOF))):
        spec.loader.exec_module(module)
    app: Chalice = module.app
    return app


@pytest.fixture(scope="module")
def asking(root: Path, app_that_asks: Chalice) -> Client:
    """Its client; each answer must be as the document of the API says."""
    return DescribedClient(app_that_asks, stage_name="local", project_dir=str(root))


def test_the_document_of_such_a_stage_describes_every_address_of_the_app_and_no_other(
    app_that_asks: Chalice, local: Stage
) -> None:
    routes = {(path, method) for path, methods in app_that_asks.routes.items() for method in methods}
    described = {(path, method) for path, method, _ in operations(openapi.document(guarded(local, PROOF), ""))}
    assert described == routes
    assert ("/contact/{site}/challenge", "GET") in described


ASK = "/contact/default/challenge"


def ask(
    client: Client,
    local: Stage,
    headers: dict[str, str] | None = None,
    *,
    key: Secrets | None = None,
    path: str = ASK,
    rules: Spam = PROOF,
    method: str = "GET",
    **more: Any,
) -> Any:
    it = FakeContainer(guarded(local, rules, **more), key=key or Key(), now=now())
    with override_container(it):
        return client.http.request(method, path, headers=headers or {})


def test_a_page_gets_a_challenge_whose_solution_is_taken_with_its_message(
    asking: Client, local: Stage, send: Send, topic: RecordingTopic
) -> None:
    given = ask(asking, local, {"Origin": HOME})
    assert given.status_code == 200
    assert (given.headers["Vary"], given.headers["Cache-Control"]) == ("Origin", "no-store")
    assert set(given.json_body) == {"parameters", "signature"}
    proof, nonce = solution_of(given.json_body)
    send(PROOF, {"message": "Hi", "altcha": proof}, key=Key())
    assert published(topic)["solved_challenge"] == nonce
    assert "signals" not in published(topic)


def test_each_request_gets_a_challenge_of_its_own(asking: Client, local: Stage) -> None:
    assert len({ask(asking, local).json_body["parameters"]["nonce"] for _ in range(3)}) == 3


@pytest.mark.parametrize(
    ("origin", "more", "status"),
    [
        (None, {}, 200),
        (None, {"without_origin": False}, 403),
        ("null", {}, 403),
        ("null", {"null_origin": True}, 200),
        (HOME, {}, 200),
        (FOREIGN, {}, 403),
        (FOREIGN, {"origins": (FOREIGN,)}, 200),
        (f"{HOME}.evil.example", {}, 403),
    ],
)
def test_a_challenge_is_for_whom_the_site_accepts_messages_from(
    asking: Client, local: Stage, origin: str | None, more: dict[str, Any], status: int
) -> None:
    """And in JSON even to a browser that asks for a page; whom nothing is given makes nobody read the key."""
    headers = {"Accept": FORM["Accept"]} | ({"Origin": origin} if origin else {})
    given = ask(asking, local, headers, key=Key() if status == 200 else Unreadable(), **more)
    assert given.status_code == status
    readable = origin is not None and status == 200
    assert given.headers.get("Access-Control-Allow-Origin") == (origin if readable else None)
    assert given.headers.get("Access-Control-Expose-Headers") == ("Retry-After" if readable else None)
    assert given.headers["Content-Type"] == f"application/{'json' if status == 200 else 'problem+json'}"
    if status == 403:
        assert given.json_body["errors"][0]["code"] == "forbidden_origin"
        assert "signature" not in given.body.decode()


@pytest.mark.parametrize(
    ("path", "rules"),
    [
        (ASK, Spam()),
        (ASK, RATE),
        ("/contact/nowhere/challenge", PROOF),
        ("/contact/Default/challenge", PROOF),
        ("/contact/default%00/challenge", PROOF),
    ],
)
@pytest.mark.parametrize("origin", [HOME, FOREIGN])
def test_there_is_no_challenge_for_a_site_that_doesnt_ask_or_doesnt_exist(
    asking: Client, local: Stage, path: str, rules: Spam, origin: str
) -> None:
    given = ask(asking, local, {"Origin": origin}, path=path, rules=rules, key=Unreadable())
    assert given.status_code == 404
    assert given.headers["Content-Type"] == "application/problem+json"
    assert given.json_body["errors"][0]["code"] == "FORM_NOT_FOUND"


def test_without_the_key_there_is_no_challenge_for_now_and_an_error_is_logged(
    asking: Client, local: Stage, log: Any
) -> None:
    given = ask(asking, local, {"Origin": HOME}, key=MissingKey())
    assert given.status_code == 503
    assert int(given.headers["Retry-After"]) > 0
    assert given.headers["Content-Type"] == "application/problem+json"
    assert given.headers["Cache-Control"] == "no-store"
    assert given.headers["Access-Control-Allow-Origin"] == HOME, "or the page's script could not tell"
    assert given.headers["Access-Control-Expose-Headers"] == "Retry-After", "or not for how long"
    assert given.json_body["errors"][0]["code"] == "unavailable"
    line = log.line("The key could not be read")
    assert (line["level"], line["site"]) == ("ERROR", "default")


class BrokenKey(Key):
    """Fails as nobody expects."""

    def read(self) -> dict[str, str]:
        raise ZeroDivisionError("MARKER")


def test_an_unexpected_fault_is_a_problem_document_that_the_page_can_read(
    asking: Client, local: Stage, log: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    given = ask(asking, local, {"Origin": HOME, "Accept-Language": "de"}, key=BrokenKey())
    assert given.status_code == 500
    assert given.headers["Content-Type"] == "application/problem+json"
    assert given.headers["Content-Language"] == "de"
    assert given.headers["Access-Control-Allow-Origin"] == HOME
    assert given.headers["Vary"] == "Origin"
    assert given.headers["Cache-Control"] == "no-store"
    assert given.json_body["errors"] == [{"code": "unexpected", "message": given.json_body["title"]}]
    line = log.line("Unexpected")
    assert (line["level"], line["exception_name"]) == ("ERROR", "ZeroDivisionError")
    assert "MARKER" not in given.body.decode() + log.text + "".join(capfd.readouterr())


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "nonsense", "multipart/form-data"])
def test_a_challenge_is_given_whatever_type_the_request_says_that_it_has(
    asking: Client, local: Stage, content_type: str
) -> None:
    """Some libraries name one with every request; Chalice answered 415 in its own words."""
    given = ask(asking, local, {"Origin": HOME, "Content-Type": content_type})
    assert (given.status_code, set(given.json_body)) == (200, {"parameters", "signature"})


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD"])
def test_a_challenge_is_fetched_and_nothing_else(asking: Client, local: Stage, method: str) -> None:
    given = ask(asking, local, {"Origin": HOME}, method=method, key=Unreadable())
    assert given.status_code >= 400
    assert "signature" not in (given.body or b"").decode()


def test_a_form_of_a_site_called_challenge_is_no_challenge(
    app_that_asks: Chalice, root: Path, local: Stage, topic: RecordingTopic
) -> None:
    client = Client(app_that_asks, stage_name="local", project_dir=str(root))
    here = local.sites["default"]
    stage = local._replace(sites={"default": here, "challenge": here._replace(name="challenge")})
    assert post(client, stage, topic, body_of(message="Hi"), path="/contact/challenge").status_code == 202
    assert published(topic)["site"] == "challenge"


def test_a_stage_in_which_no_site_asks_has_no_such_address(module: ModuleType, root: Path, local: Stage) -> None:
    client = Client(module.app, stage_name="local", project_dir=str(root))
    given = ask(client, local, rules=Spam(), key=Unreadable())
    assert given.status_code == 403, "as API Gateway answers for an address that it doesn't know"
    assert b"MissingAuthentication" in given.body or b"Missing Authentication" in given.body


# What destined makes of it


class World:
    """Everything around ``destined``, for a site with rules."""

    def __init__(
        self, module: ModuleType, root: Path, local: Stage, context: Context, rules: Spam, **more: Any
    ) -> None:
        self.module, self.root, self.context = module, root, context
        self.stage = guarded(local, rules, **more)
        self.notifier: Any = RecordingNotifier()
        self.messages: Any = InMemoryMessages()
        self.recent: InMemoryRecent = InMemoryRecent()
        self.captcha: Verify | None = None

    def handle(self, it: Message, request: str = "request-1") -> dict[str, Any]:
        self.context.aws_request_id = request
        here = FakeContainer(
            self.stage,
            messages=self.messages,
            recent=self.recent,
            notifiers={"pushover": self.notifier},
            captcha_services={"default": self.captcha} if self.captcha else None,
        )
        with override_container(here):
            answer: dict[str, Any] = self.module.destined(sns_event(self.root, it.serialize()), self.context)
        return answer

    def handle_all(self, topic: RecordingTopic) -> list[str]:
        """Handle all that was published, each by a run of its own; what was done with each."""
        texts = [Message.deserialize(one.text) for one in topic.published]
        return [self.handle(it, f"request-{number}")["action"] for number, it in enumerate(texts)]

    def fails(self, it: Message) -> None:
        """A first run in which the channel is down, and what it stored is due again."""
        self.notifier = RecoveringNotifier(ChannelUnavailableError("down"))
        with pytest.raises(DeliveryIncompleteError):
            self.handle(it)
        delivery = self.messages.records[it.id].deliveries["pushover"]
        self.messages.put(it.id, "pushover", replace(delivery, next_attempt_at=NOW))


@pytest.fixture
def world(module: ModuleType, root: Path, local: Stage, context: Context) -> Callable[..., World]:
    return lambda rules=None, **more: World(module, root, local, context, rules or Spam(), **more)


Worlds = Callable[..., World]
SPAMMY = replace(message("id-1", message="MARKER"), signals=("honeypot", "proof_missing"))
TRAP = Spam(points={"honeypot": 10, "proof_of_work": 3})


def test_a_quarantined_message_is_stored_rings_nobody_and_says_so(world: Worlds) -> None:
    here, told = world(TRAP), {"signals": ["honeypot", "proof_missing"], "score": 13}
    assert here.handle(SPAMMY) == {
        "source": "herald.contact",
        "action": "quarantined",
        "message": {"id": "id-1", "site": "default", "channels": {"pushover": "pending"}, **told},
    }
    assert here.notifier.delivered == []
    assert here.messages.kept == {"id-1": SPAMMY}
    assert here.messages.records["id-1"].verdict == spam.Verdict(SPAMMY.signals, 13, spam.HoldReason.QUARANTINED)


def test_a_duplicate_is_stored_rings_nobody_and_names_the_first(world: Worlds) -> None:
    here = world()
    one, other = message("id-1", message="MARKER"), message("id-2", message="MARKER")
    assert here.handle(one)["action"] == "delivered"
    assert here.handle(other, "request-2") == {
        "source": "herald.contact",
        "action": "duplicate",
        "message": {"id": "id-2", "site": "default", "channels": {"pushover": "pending"}, "duplicate_of": "id-1"},
    }
    assert [each.id for each in here.notifier.delivered] == ["id-1"]
    assert set(here.messages.kept) == {"id-1", "id-2"}


def test_signs_that_are_not_enough_are_told_and_the_message_rings(world: Worlds) -> None:
    here = world(TRAP)
    answer = here.handle(replace(SPAMMY, signals=("proof_missing",)), "request-1")
    assert answer["action"] == "delivered"
    told = {"channels": {"pushover": "delivered"}, "signals": ["proof_missing"], "score": 3}
    assert answer["message"] == {"id": "id-1", "site": "default", **told}


@pytest.mark.parametrize("rules", [TRAP, Spam()], ids=["quarantined", "duplicate"])
def test_a_retry_ends_as_the_run_before_it_and_a_redelivery_as_unchanged(world: Worlds, rules: Spam) -> None:
    here = world(rules)
    here.handle(replace(SPAMMY, id="id-0", signals=()), "request-0")
    first = here.handle(SPAMMY)
    assert first["action"] == ("quarantined" if rules is TRAP else "duplicate")
    assert [here.handle(SPAMMY) for _ in range(2)] == [first] * 2
    again = here.handle(SPAMMY, "request-2")
    assert again == first | {"action": "unchanged"}
    assert [each.id for each in here.notifier.delivered] == ["id-0"]


def test_what_the_record_says_counts_for_a_retry_whatever_is_found_by_then(world: Worlds) -> None:
    """The site's rules may have changed meanwhile, and more messages may have come."""
    here = world()
    it = replace(SPAMMY, sender_hash="s")
    here.fails(it)
    here.stage = guarded(here.stage, TRAP)
    assert here.handle(it)["action"] == "delivered"


def test_of_a_flood_from_one_address_those_beyond_the_limit_are_quarantined(world: Worlds) -> None:
    here = world(RATE, duplicate_seconds=0)
    for number in range(4):
        here.handle(replace(message(f"id-{number}"), sender_hash="s"), f"request-{number}")
    assert [each.id for each in here.notifier.delivered] == ["id-0", "id-1"]
    assert len(here.messages.kept) == 4


def test_a_solution_rings_once(world: Worlds) -> None:
    here = world(PROOF)
    for number in range(2):
        it = replace(message(f"id-{number}", message=f"text {number}"), solved_challenge="p")
        answer = here.handle(it, f"request-{number}")
    assert (answer["action"], answer["message"]["signals"]) == ("quarantined", ["proof_replayed"])
    assert [each.id for each in here.notifier.delivered] == ["id-0"]


class Unwritable(InMemoryMessages):
    """Takes no new message, for a while."""

    broken = True

    def add(self, message: Message, record: Record) -> Record | None:
        if self.broken:
            raise StoreError("InternalServerError")
        return super().add(message, record)


CAPTCHA = Spam(points={"captcha": 10}, captcha=Captcha("recaptcha", "http://127.0.0.1:9/", ("www.example.com",)))
PASSED: Mapping[str, object] = {"success": True, "hostname": "www.example.com"}
DUPLICATE: Mapping[str, object] = {"success": False, "error-codes": ["timeout-or-duplicate"]}


class OneUse:
    """A captcha's service that takes each token once."""

    def __init__(self) -> None:
        self.used: list[str] = []

    def __call__(self, captcha: Captcha, fields: Mapping[str, str]) -> Mapping[str, object]:
        self.used.append(fields["response"])
        return PASSED if self.used.count(fields["response"]) == 1 else DUPLICATE


@pytest.mark.parametrize(("token", "action"), [("solved", "delivered"), ("", "quarantined")])
def test_a_solved_captcha_rings_and_a_missing_one_does_not(world: Worlds, token: str, action: str) -> None:
    here = world(CAPTCHA)
    here.captcha = OneUse()
    assert here.handle(replace(message("id-1"), captcha=token))["action"] == action


def test_a_run_that_dies_between_the_captchas_answer_and_the_record_quarantines_nobody(world: Worlds) -> None:
    """The token is used up then, so the retry hears "duplicate"."""

    here, it = world(CAPTCHA), replace(message("id-1"), captcha="solved")
    here.captcha = OneUse()
    store = here.messages = Unwritable()
    with pytest.raises(StoreError):
        here.handle(it)
    store.broken = False
    answer = here.handle(it)
    assert (answer["action"], answer["message"]["signals"]) == ("delivered", ["captcha_unchecked"])
    assert here.captcha.used == ["solved", "solved"]


def test_a_retry_keeps_the_captchas_first_verdict(world: Worlds) -> None:
    here, it = world(CAPTCHA), replace(message("id-1"), captcha="solved")
    here.captcha = OneUse()
    here.fails(it)
    assert here.handle(it)["action"] == "delivered"
    assert here.messages.records["id-1"].verdict == spam.Verdict()
    assert here.captcha.used == ["solved"], "the service is not asked again"


def test_a_captcha_that_cant_be_verified_rings_and_is_an_error_in_the_log(world: Worlds, log: Any) -> None:
    def down(captcha: Captcha, fields: Mapping[str, str]) -> Mapping[str, object]:
        raise CaptchaError("the service did not answer: TimeoutError")

    here = world(CAPTCHA)
    here.captcha = down
    answer = here.handle(replace(message("id-1"), captcha="MARKER"), "request-1")
    assert (answer["action"], answer["message"]["signals"]) == ("delivered", ["captcha_unchecked"])
    line = log.line("The captcha could not be verified")
    assert (line["level"], line["site"]) == ("ERROR", "default")
    assert line["reason"] == "the service did not answer: TimeoutError"
    assert "MARKER" not in log.text + json.dumps(answer)


@pytest.mark.parametrize(("rules", "captcha"), [(CAPTCHA, "solved"), (Spam(), None)])
def test_the_token_goes_to_destined_only_for_a_site_that_has_the_captcha(
    send: Send, topic: RecordingTopic, rules: Spam, captcha: str | None
) -> None:
    answer = send(rules, {"message": "Hi", "g-recaptcha-response": "solved", "cf-turnstile-response": "other"})
    assert answer["statusCode"] == 202
    sent = json.loads(topic.published[-1].text)
    assert (sent["fields"], sent.get("captcha")) == ({"message": "Hi"}, captcha)


def test_the_table_keeps_neither_sender_nor_proof_nor_captcha(world: Worlds) -> None:
    here = world(TRAP)
    table: Any = LocalTable(here.stage.table)
    here.messages = MessageTable(table, here.stage, Clock())
    secrets: dict[str, Any] = dict.fromkeys(("sender_hash", "network_hash", "solved_challenge", "captcha"), "SECRET")
    assert here.handle(replace(SPAMMY, **secrets))["action"] == "quarantined"
    assert "MARKER" in json.dumps(table.items())
    assert "SECRET" not in json.dumps(table.items())


def test_neither_sender_nor_proof_nor_what_was_typed_reaches_the_log_or_the_bus(
    world: Worlds, log: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    here = world(ALL)
    it = replace(SPAMMY, sender_hash="MARKER-sender", solved_challenge="MARKER-proof", signals=())
    answers = [here.handle(replace(it, id=f"id-{number}"), f"request-{number}") for number in range(4)]
    assert [answer["action"] for answer in answers] == ["delivered", *["quarantined"] * 3]
    assert "MARKER" not in json.dumps(answers) + log.text + "".join(capfd.readouterr())


def test_the_log_of_a_retry_says_what_the_record_says(world: Worlds, log: Any) -> None:
    """More may be found by then: what was decided counts, and is what somebody looks for."""
    here = world(RATE, duplicate_seconds=0)
    it = replace(message("id-1"), sender_hash="s")
    here.fails(it)
    here.stage = guarded(here.stage, TRAP._replace(points={"links": 4}, most_links=-1), duplicate_seconds=0)
    assert here.handle(replace(it, signals=("honeypot",)))["action"] == "delivered"
    assert not {"signals", "score"} & set(log.line("Handled"))


def test_a_quarantined_message_stays_so_and_the_log_has_the_signals_of_the_record_and_no_others(
    world: Worlds, log: Any
) -> None:
    """Also when the site's rules have become milder."""
    here = world(TRAP)
    here.handle(SPAMMY)
    here.stage = guarded(here.stage, Spam())
    for request in ("request-1", "request-2"):
        here.handle(replace(SPAMMY, signals=("fill_time",)), request)
    lines = [line for line in log.lines if line["message"] == "Handled"]
    assert [line["action"] for line in lines] == ["quarantined", "quarantined", "unchanged"]
    for line in lines:
        assert (line["signals"], line["score"]) == (["honeypot", "proof_missing"], 13)
    assert here.notifier.delivered == []


class Failing(InMemoryRecent):
    """Writes, and then its answer is lost."""

    broken = True

    def count(self, *arguments: Any) -> int:
        found = super().count(*arguments)
        if self.broken:
            raise StoreError("ProvisionedThroughputExceededException")
        return found

    def claim_first(self, *arguments: Any) -> str:
        found = super().claim_first(*arguments)
        if self.broken:
            raise StoreError("ProvisionedThroughputExceededException")
        return found


@pytest.mark.parametrize(
    ("rules", "it"),
    [
        (Spam(), message("id-1")),
        (RATE, replace(message("id-1"), sender_hash="s")),
        (PROOF, replace(message("id-1"), solved_challenge="p")),
    ],
    ids=["content", "rate", "proof"],
)
def test_what_cant_be_looked_up_makes_the_run_fail_and_the_retry_rings(world: Worlds, rules: Spam, it: Message) -> None:
    here = world(rules)
    recent = here.recent = Failing()
    for _ in range(2):
        with pytest.raises(StoreError):
            here.handle(it)
    assert here.notifier.delivered == []
    recent.broken = False
    assert here.handle(it)["action"] == "delivered"


def test_a_message_that_could_not_be_stored_after_it_was_looked_at_rings_at_the_retry(world: Worlds) -> None:
    """Its own traces must not make it a repetition, a replay or one too many."""
    here = world(ALL._replace(most_messages=1))
    store = here.messages = Unwritable()
    it = replace(message("id-1"), sender_hash="s", solved_challenge="p")
    for request in ("request-1", "request-1", "request-2"):
        with pytest.raises(StoreError):
            here.handle(it, request)
    store.broken = False
    assert here.handle(it)["action"] == "delivered"
    assert len(here.notifier.delivered) == 1


# From one end to the other


def test_the_same_key_twice_is_the_same_id_and_one_notification(
    send: Send, topic: RecordingTopic, world: Worlds
) -> None:
    ids = {json.loads(send(Spam(), {"message": "Hi"}, **{"Idempotency-Key": "k-1"})["body"])["id"] for _ in range(2)}
    assert len(ids) == 1
    here = world()
    assert here.handle_all(topic) == ["delivered", "unchanged"]
    assert len(here.notifier.delivered) == 1
    assert len(here.messages.kept) == 1


def test_another_message_under_the_same_key_is_not_swallowed(send: Send, topic: RecordingTopic, world: Worlds) -> None:
    """A page that never changes its key has made a mistake; its visitors must not pay for it."""
    for text in ("Hello", "Something else", "Hello"):
        assert send(Spam(), {"message": text}, **{"Idempotency-Key": "k-1"})["statusCode"] == 202
    here = world()
    assert here.handle_all(topic) == ["delivered", "delivered", "unchanged"]
    assert [it.fields["message"] for it in here.messages.kept.values()] == ["Hello", "Something else"]
    assert len(here.notifier.delivered) == 2


def test_what_is_no_part_of_a_message_makes_no_other_one_under_the_same_key(send: Send, topic: RecordingTopic) -> None:
    """A retry has been on the page for longer, and may have solved another challenge."""
    proofs = [solved()[0] for _ in range(2)]
    for seconds, proof in zip(("4", "9"), proofs, strict=True):
        body = {"message": "Hi", "_fill_seconds": seconds, "altcha": proof}
        send(ALL, body, key=Key(), **{"Idempotency-Key": "k-1"})
    assert len({json.loads(one.text)["id"] for one in topic.published}) == 1


def test_without_a_key_the_same_form_twice_is_two_ids_and_one_notification(
    send: Send, topic: RecordingTopic, world: Worlds
) -> None:
    for extra in ({}, {"_gotcha": "x"}, {"_fill_seconds": "1"}, {"altcha": "x"}, {"_next": HOME}, {"_language": "de"}):
        send(Spam(), {"message": "Hi", **extra})
    here = world()
    assert here.handle_all(topic) == ["delivered", *["duplicate"] * 5]
    assert len(here.notifier.delivered) == 1
    assert len(here.messages.kept) == 6


def test_a_function_that_starts_makes_the_client_of_the_key_only_where_a_site_needs_it(
    local: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")

    for rules, made in ((Spam(), False), (RATE, True)):
        it = FakeContainer(guarded(local, rules), topic=RecordingTopic())
        with override_container(it):
            handlers.contact.prepare("app")
        assert ("spam_key_secret" in vars(it)) is made
