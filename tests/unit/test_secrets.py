"""Which secrets a stage needs, and what can't be one; and the form that a test message is sent by."""

from __future__ import annotations

import base64

import pytest

from chalicelib.settings import Channel
from ops.operations import test_message
from ops.operations.secrets import Secret, fault, needed_secrets
from tests.fakes import site, stage


def secret(kind: str, name: str) -> Secret:
    return Secret("channel", kind, name, f"/herald/dev/channel/{name}")


SIGNING = f"whsec_{base64.b64encode(bytes(24)).decode()}"


@pytest.mark.parametrize(("kind", "name", "value"), [
    ("pushover", "token", "a" * 30), ("pushover", "user", "Az09" * 7 + "ab"),
    ("webhook", "url", "https://hooks.example.com/services/T0/B0/xyz"), ("webhook", "secret", SIGNING),
    ("webhook", "secret", f"{SIGNING} {SIGNING}"),
])  # fmt: skip
def test_what_can_be_a_secret_is_taken(kind: str, name: str, value: str) -> None:
    assert fault(secret(kind, name), value, local=False) == ""


@pytest.mark.parametrize(("kind", "name", "value"), [
    ("pushover", "token", ""), ("pushover", "token", "a" * 29), ("pushover", "user", "a" * 29 + "-"),
    ("pushover", "user", "é" * 30), ("webhook", "url", "hooks.example.com"),
    ("webhook", "url", "http://hooks.example.com/"), ("webhook", "secret", "whsec_short"),
    ("webhook", "url", f"https://example.com/{'a' * 5000}"), ("webhook", "url", "https://example.com/\x1b[2J"),
])  # fmt: skip
def test_what_can_t_be_a_secret_is_refused_and_not_repeated(kind: str, name: str, value: str) -> None:
    said = fault(secret(kind, name), value, local=False)
    assert said
    assert not value or value not in said


def test_a_stage_needs_the_secrets_of_the_channels_that_it_uses() -> None:
    webhooks = {
        name: Channel(name, "webhook", True, 5, "", {"signed": name != "team"}) for name in ("team", "own", "unused")
    }
    sites = {"default": site("default", "pushover", "team", "own")}
    it = stage()._replace(sites=sites, channels={**stage().channels, **webhooks})
    names = ["own/secret", "own/url", "pushover/token", "pushover/user", "team/url"]
    assert sorted(one.parameter for one in needed_secrets(it)) == [f"/herald/dev/{name}" for name in names]


def test_a_test_message_fills_in_what_the_site_requires() -> None:
    given = {"name": "Herald", "email": "herald@example.com", "Company": "Herald", "message": "Hello"}
    assert test_message.form(site(required=("message", "email", "Company")), "Hello") == given
