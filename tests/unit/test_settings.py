"""Settings: read once, typed, and wrong ones named."""

from __future__ import annotations

import pytest

from chalicelib.current_stage import stage_named
from chalicelib.functions import FUNCTIONS, functions_of, notifiers_of
from chalicelib.settings import SettingsError, Stage, notifier_functions, required
from tests.fakes import EVERYWHERE, LIMITS, channel, site, stage


@pytest.mark.parametrize("environ", [{}, {"A": ""}])
def test_a_missing_variable_is_named_with_what_it_holds(environ: dict[str, str]) -> None:
    assert required({"A": "b"}, "A", "something") == "b"
    with pytest.raises(SettingsError, match="A is not set; it holds something"):
        required(environ, "A", "something")


def test_every_stage_of_herald_toml_is_found_by_name() -> None:
    assert [stage_named(name).name for name in ("local", "dev")] == ["local", "dev"]


def test_an_unknown_stage_is_named_with_those_that_there_are() -> None:
    with pytest.raises(SettingsError, match=r"'prod', but herald.toml has only: dev, local"):
        stage_named("prod")


@pytest.mark.parametrize(
    ("text", "functions"),
    [
        ("a=f, b=g", {"a": "f", "b": "g"}),
        (" a=arn:aws:lambda:eu-central-1:1:function:f ", {"a": "arn:aws:lambda:eu-central-1:1:function:f"}),
    ],
)
def test_notifier_functions_are_read(text: str, functions: dict[str, str]) -> None:
    assert notifier_functions({"LAMBDA_NOTIFICATIONS": text}) == functions


@pytest.mark.parametrize("text", ["pushover", "=f", "a=", "a=f,", ",", "a=f,,b=g", " "])
def test_a_malformed_list_of_notifiers_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match=r"LAMBDA_NOTIFICATIONS has .* where channel=function is expected"):
        notifier_functions({"LAMBDA_NOTIFICATIONS": text})


def test_a_stage_uses_a_channel_only_where_a_site_does() -> None:
    assert stage(channels=("pushover",)).uses("pushover")
    assert not stage(channels=("pushover",)).uses("email")
    other = Stage("dev", {"default": site("default", "other")}, {"other": channel("other")}, LIMITS)
    assert other.uses("pushover"), "by its kind, whatever its name"
    assert not Stage("dev", {}, {"pushover": channel()}, LIMITS).uses("pushover")


def test_the_function_behind_the_function_url_exists_only_where_the_stage_asks_for_it() -> None:
    plain, asked = (functions_of(stage()._replace(function_url=wanted)) for wanted in (False, True))
    assert {spec.name for spec in asked} - {spec.name for spec in plain} == {"get_message_url"}


def test_a_notifier_exists_only_where_a_site_uses_its_channel() -> None:
    with_channel = {spec.name for spec in functions_of(stage())}
    without = {spec.name for spec in functions_of(stage(channels=()))}
    assert with_channel - without == {"notify_pushover"}
    assert without == EVERYWHERE
    assert set(notifiers_of(stage())) == {"pushover"}
    assert notifiers_of(stage(channels=())) == {}


def test_whoever_waits_for_a_notifier_waits_longer_than_any_may_run() -> None:
    from chalicelib.adapters.provider_http import CONNECT_TIMEOUT, READ_TIMEOUT
    from chalicelib.composition import INVOKE_READ_TIMEOUT

    by_name = {spec.name: spec for spec in FUNCTIONS}
    notifiers = [spec for spec in FUNCTIONS if spec.channel]
    assert all(spec.timeout < INVOKE_READ_TIMEOUT for spec in notifiers)
    assert by_name["destined"].timeout > 2 * INVOKE_READ_TIMEOUT, "two channels, one after the other"
    assert by_name["notify_pushover"].timeout > CONNECT_TIMEOUT + READ_TIMEOUT
    assert by_name["api_handler"].timeout <= 29, "API Gateway waits no longer"


@pytest.mark.parametrize("spec", FUNCTIONS, ids=lambda spec: spec.name)
def test_every_grant_says_why_and_names_whole_actions(spec: object) -> None:
    for grant in getattr(spec, "grants", ()):
        assert grant.why
        assert grant.sid.isalnum()
        assert all(":" in action and "*" not in action for action in grant.actions)
