"""What follows from the declaration of a kind of channel, of every kind that there is."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.adapters.providers import kind_of, kinds
from chalicelib.errors import InvalidRequestError
from chalicelib.functions import FUNCTIONS
from chalicelib.logic.channel_kind import (
    ChannelKind,
    Flag,
    OneOf,
    Option,
    WholeNumber,
    encoded,
    matching,
    options_of,
    without_unset,
)
from chalicelib.logic.published_notification import PRIORITY
from chalicelib.settings import Channel
from ops.config import channels
from ops.config.channels import KINDS
from ops.errors import OpsError
from ops.generate import channel_pages
from tests.history import ROOT

every = pytest.mark.parametrize("kind", kinds().values(), ids=kinds())


@every
def test_a_secrets_example_has_the_form_that_is_asked_for(kind: ChannelKind) -> None:
    for secret in kind.secrets:
        secret.check(secret.example, False)
        with pytest.raises(ValueError, match=r"^(?!.*wrong\x00).+"):
            secret.check("wrong\x00", False)


def test_a_value_that_is_none_of_a_few_words_or_not_of_a_form_is_told_what_is_right() -> None:
    assert OneOf(("a", "b"))("a") == "a"
    with pytest.raises(ValueError, match=r"^expected one of a, b$"):
        OneOf(("a", "b"))("c")
    matching("a+", "a's")("aa", False)
    with pytest.raises(ValueError, match=r"^expected a's$"):
        matching("a+", "a's")("ab", False)


@every
def test_a_kinds_function_is_registered_under_its_name_where_the_stage_uses_it(kind: ChannelKind) -> None:
    (spec,) = (spec for spec in FUNCTIONS if spec.channel == kind.kind)
    assert (spec.name, spec.timeout, spec.memory) == (f"notify_{kind.kind}", kind.timeout, kind.memory)
    registered = [
        [item.name for item in node.body if isinstance(item, ast.FunctionDef)]
        for node in ast.parse((ROOT / "app.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == f"stage.uses('{kind.kind}')"
    ]
    assert registered == [[spec.name]]


@every
def test_a_notifier_may_read_its_secrets_and_files_and_do_what_its_kind_declares(kind: ChannelKind) -> None:
    (spec,) = (spec for spec in FUNCTIONS if spec.channel == kind.kind)
    actions = {action for grant in spec.grants for action in grant.actions}
    declared = {action for permission in kind.permissions for action in permission.actions}
    reads = {"ssm:GetParameters": bool(kind.secrets), "s3:GetObject": bool(kind.attachment_limits)}
    assert actions == declared | {action for action, needed in reads.items() if needed}


@every
def test_a_kinds_keys_in_herald_toml_are_every_channels_and_its_own(kind: ChannelKind) -> None:
    own = [option.name for option in kind.options]
    assert list(KINDS[kind.kind].model_fields) == [*channels.ChannelTable.model_fields, *own]


@every
def test_every_option_limit_and_answer_is_explained(kind: ChannelKind) -> None:
    assert all(option.doc for option in kind.options)
    assert all(limit.source.startswith("https://") and limit.source_read for limit in kind.limits)
    for answer in kind.http.answers if kind.http else ():
        assert answer.source.startswith("https://")
        assert answer.doc


@every
def test_every_priority_and_the_link_of_a_notification_are_options_of_a_request(kind: ChannelKind) -> None:
    assert set(kind.priorities) in (set(), set(PRIORITY))
    link = {kind.link_option: "https://www.example.com/"} if kind.link_option else {}
    for options in (*kind.priorities.values(), link):
        assert options_of(kind, Channel("it", kind.kind, True, 5, ""), options).items() >= options.items()


def test_an_option_may_not_be_called_as_one_that_every_kind_has() -> None:
    it = replace(kind_of("pushover"), options=(Option("pause", WholeNumber(1, 2), "x"),))
    with pytest.raises(ValueError, match="every kind has pause"):
        channels._model(it)


@pytest.mark.parametrize(
    ("address", "own", "url", "mistake"),
    [
        ("https://a.example", True, None, ""),
        ("https://a.example", True, "https://mine.example", ""),
        ("", True, "https://mine.example", ""),
        ("", True, None, "missing; the address of your own server"),
        ("https://a.example", False, "https://mine.example", "only stages.local may send elsewhere"),
        ("https://a.example", False, None, ""),
    ],
)
def test_a_channels_address_is_its_providers_or_where_there_may_be_one_the_owners(
    address: str, own: bool, url: str | None, mistake: str
) -> None:
    model = channels._model(replace(kind_of("ntfy"), address=address, own_address=own))
    it = model.model_validate({"kind": "ntfy", "url": url})
    assert it.address_mistake(local=False).startswith(mistake)
    assert bool(it.address_mistake(local=False)) == bool(mistake)
    assert it.address_mistake(local=True) == ""


OF_REQUESTS = replace(
    kind_of("pushover"),
    options=(
        Option("loud", Flag(), "x", requestable=True),
        Option("times", WholeNumber(1, 3), "x", requestable=True),
        Option("fixed", Flag(), "x"),
    ),
    mistakes=lambda values: {"times": "only with loud"} if values["times"] and not values["loud"] else {},
)
IT = Channel("it", "it", True, 5, "", {"fixed": True})


def test_a_request_overrides_the_options_that_it_may() -> None:
    assert options_of(OF_REQUESTS, IT, {}) == {"loud": None, "times": None, "fixed": True}
    assert options_of(OF_REQUESTS, IT, {"loud": True, "times": 2}) == {"loud": True, "times": 2, "fixed": True}


@pytest.mark.parametrize(
    ("requested", "option", "expected"),
    [
        ({"fixed": False}, "fixed", "unknown; expected one of: loud, times"),
        ({"to": "x"}, "to", "unknown"),
        ({"times": 4, "loud": True}, "times", "expected a whole number from 1 to 3"),
        ({"times": True, "loud": True}, "times", "expected a whole number"),
        ({"times": 2}, "times", "only with loud"),
    ],
)
def test_a_wrong_option_of_a_request_is_named(requested: dict[str, object], option: str, expected: str) -> None:
    with pytest.raises(InvalidRequestError, match=expected) as caught:
        options_of(OF_REQUESTS, IT, requested)
    assert caught.value.key == f"options.{option}"


def test_a_page_that_lacks_a_table_is_named_with_what_to_write() -> None:
    page = Path("docs/channels/pushover.md")
    with pytest.raises(OpsError, match="<!-- answers --> with <!-- /answers -->"):
        channel_pages.filled(page, {"answers": ""})
    with pytest.raises(OpsError, match=r"docs/channels/absent\.md must have"):
        channel_pages.filled(Path("docs/channels/absent.md"), {"options": ""})


def test_options_that_are_not_set_are_left_out_and_lists_are_tuples() -> None:
    assert without_unset({"a": ["x", "y"], "b": None, "c": 0}) == {"a": ("x", "y"), "c": 0}


def test_a_body_is_json_without_spaces_in_utf_8() -> None:
    assert encoded({"a": "ü", "b": [1, "\ud800"]}) == '{"a":"ü","b":[1,"?"]}'.encode()
