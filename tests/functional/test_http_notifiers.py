"""What every kind keeps that declares how it is asked by HTTP: what each documented answer means, and any other."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import requests

from chalicelib.adapters.http_notifier import HttpNotifier
from chalicelib.adapters.providers import kind_of
from chalicelib.errors import (
    ChannelRejectedError,
    ChannelUnavailableError,
    ChannelUncertainError,
    FunctionError,
    InvalidRequestError,
)
from chalicelib.logic.channel_kind import Answer, AnswerMeaning
from chalicelib.logic.notification import Notification
from tests.declared import HTTP, declared_channel, http_of, request_of
from tests.fakes import NOW
from tests.functional import notifiers
from tests.functional.conftest import Provider
from tests.functional.notifiers import REQUEST, Parameters, Rig

every = pytest.mark.parametrize("kind", HTTP)
ERRORS: dict[AnswerMeaning, type[FunctionError]] = {
    AnswerMeaning.REJECTED: ChannelRejectedError,
    AnswerMeaning.TRY_LATER: ChannelUnavailableError,
    AnswerMeaning.OWNER_MUST_ACT: ChannelUnavailableError,
    AnswerMeaning.UNCERTAIN: ChannelUncertainError,
}


@pytest.fixture
def rig(kind: str, provider: Provider, session: requests.Session) -> Rig:
    found = notifiers.declared(kind, provider.url, session)
    provider.body = found.accepted
    return found


def named(answer: Answer) -> str:
    return f"{answer.status} {answer.error}"


@pytest.mark.parametrize(
    ("kind", "answer"),
    [(kind, answer) for kind in HTTP for answer in http_of(kind).answers],
    ids=lambda value: value if isinstance(value, str) else named(value),
)
def test_each_documented_answer_means_what_is_declared(kind: str, rig: Rig, provider: Provider, answer: Answer) -> None:
    provider.status, provider.body, provider.headers = answer.status, answer.body.encode(), dict(answer.headers)
    if answer.meaning is AnswerMeaning.DELIVERED:
        assert rig.invoke()["reference"] == str(http_of(kind).reference(json.loads(answer.body)))
        return
    error = rig.fails(ERRORS[answer.meaning])
    said = f"{kind_of(kind).provider} answered {answer.status}" + (f" ({answer.error})" if answer.error else "")
    assert error.message == said
    assert error.retry_after == (3600 if answer.meaning is AnswerMeaning.OWNER_MUST_ACT else answer.wait)
    assert rig.secrets
    assert rig.secrets.forgotten == (answer.meaning is AnswerMeaning.OWNER_MUST_ACT), "a mended secret is read anew"


@every
@pytest.mark.parametrize(
    ("status", "means", "wait"),
    [
        (301, ChannelUnavailableError, 3600),
        (409, ChannelUnavailableError, None),
        (418, ChannelUnavailableError, 3600),
        (422, ChannelRejectedError, None),
        (429, ChannelUnavailableError, 60),
        (500, ChannelUnavailableError, None),
        (502, ChannelUncertainError, None),
        (503, ChannelUnavailableError, None),
        (504, ChannelUncertainError, None),
        (600, ChannelUncertainError, None),
    ],
)
@pytest.mark.parametrize("body", [b"", b"[1]", b'{"description": {"a": 1}, "code": [], "error": 1, "parameters": "x"}'])
def test_any_other_answer_means_what_its_status_does(
    rig: Rig, provider: Provider, status: int, means: type[FunctionError], wait: int | None, body: bytes
) -> None:
    provider.status, provider.body = status, body
    assert rig.fails(means).retry_after == wait


@every
@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b"<html>", b'{"ok": false, "id": "two words"}'])
def test_an_acceptance_that_cant_be_understood_is_uncertain(rig: Rig, provider: Provider, body: bytes) -> None:
    provider.body = body
    rig.fails(ChannelUncertainError)
    assert len(provider.bodies) == 1


@pytest.mark.parametrize("kind", [kind for kind in HTTP if any(limit.maximum for limit in kind_of(kind).limits)])
def test_what_the_provider_finds_too_long_is_cut_further_before_it_is_refused_for_good(
    rig: Rig, provider: Provider
) -> None:
    provider.status = 413
    rig.fails(ChannelRejectedError, {**REQUEST, "message": "x" * 60_000})
    sizes = [len(body) for body in provider.bodies]
    assert len(sizes) == 3
    assert sizes[0] > 1.4 * sizes[1] > 2 * sizes[2]
    provider.bodies.clear()
    rig.fails(ChannelRejectedError)
    assert len(provider.bodies) == 1, "what is short is not sent again"


@every
def test_a_secret_of_the_wrong_form_is_named_waits_and_is_read_anew(kind: str, rig: Rig, provider: Provider) -> None:
    assert rig.secrets
    name = next(iter(rig.secrets.values))
    rig.secrets.values[name] = "PATHSECRET \x00"
    error = rig.fails(ChannelUnavailableError)
    assert error.message.startswith(f"the parameter {kind}/{name} can't be used: expected ")
    assert (error.retry_after, rig.secrets.forgotten) == (3600, 1)
    assert provider.bodies == []


@every
def test_a_check_sends_no_notification_and_needs_the_secrets(kind: str, rig: Rig, provider: Provider) -> None:
    answer = rig.invoke(check=True)
    assert answer == {"channel": kind, "checked": True, "quota": None}
    assert all(b"MARKER" not in body for body in provider.bodies)
    assert len(provider.paths) == (http_of(kind).check is not None)


@pytest.mark.parametrize("kind", [kind for kind in HTTP if http_of(kind).check])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 502])
def test_a_check_that_the_provider_refuses_says_so(rig: Rig, provider: Provider, status: int) -> None:
    provider.status, provider.body = status, b"{}"
    with pytest.raises(ChannelUnavailableError, match=f"answered {status}"):
        rig.invoke(check=True)


@every
def test_every_option_that_a_request_may_override_is_named_when_it_is_wrong(
    kind: str, rig: Rig, provider: Provider
) -> None:
    for option in kind_of(kind).options:
        error = rig.fails(InvalidRequestError, {**REQUEST, "options": {option.name: [None]}})
        assert error.key == f"options.{option.name}"
    assert provider.bodies == []


@every
def test_a_kind_without_http_is_told_at_once(kind: str, session: requests.Session) -> None:
    with pytest.raises(ValueError, match="declares no http"):
        HttpNotifier(session, Parameters({}), declared_channel(kind), replace(kind_of(kind), http=None))


@every
def test_no_part_of_the_body_is_longer_than_the_declared_limit(kind: str) -> None:
    for text in ("x" * 60_000, "я" * 60_000, "🚀" * 60_000, '"' * 60_000):
        body = request_of(Notification("id-1", text[:300], text, NOW), declared_channel(kind)).body
        whole = json.loads(body)
        for limit in (limit for limit in kind_of(kind).limits if limit.maximum):
            part = whole.get(limit.part.split("`")[1]) if limit.part.startswith("`") else None
            assert limit.fits(body.decode() if part is None else str(part))
