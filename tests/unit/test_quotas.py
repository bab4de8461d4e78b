"""What AWS takes of a configuration is known when it is rendered."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.current_stage import stage_named
from chalicelib.functions import functions_of
from ops.config.loader import ConfigError, StageConfig
from ops.generate import render
from ops.templates import quotas, wiring
from tests.unit.test_rules_subscribers_grants import dev, grant, rule, subscriber

LETTERS = "abcdefghijklmnopqrstuvwxyz"
SITE = 'thanks = "https://www.example.com/thanks.html"\n'


def names(count: int) -> list[str]:
    return [f"{one}{two}" for one in LETTERS for two in LETTERS][:count]


def sites(count: int) -> str:
    return "".join(f'[stages.dev.sites.{name}]\n{SITE}channels = ["pushover"]\n' for name in names(count))


def mails(count: int, *, apart: bool) -> str:
    """As many channels of kind ``email``, which share an identity and a reader, or don't."""
    found = ""
    for name in names(count):
        host = f"{name}.example.com" if apart else "example.com"
        found += f'[channels.{name}]\nkind = "email"\nfrom = "herald@{host}"\nto = ["owner@{host}"]\n'
    return f"{found}[stages.dev.sites.other]\n{SITE}channels = {json.dumps(names(count))}\n"


def rules(count: int, to: str) -> str:
    return "".join(rule(name=name, to=to.format(name)) for name in names(count))


def grants(count: int, *roles: str) -> str:
    return "".join(grant(name=name, roles=list(roles)) for name in names(count))


def subscribers(count: int) -> str:
    return "".join(subscriber(name=name, to=f"sqs:{name}", kind="event") for name in names(count))


def filtered(count: int) -> str:
    return sites(count) + subscriber(site=names(count), kind=["contact", "event", "canary"])


def most(config: StageConfig) -> dict[quotas.Quota, int]:
    """The largest measure of each limit."""
    template = wiring.template(config.stage, extensions=config.extensions)
    found: dict[quotas.Quota, int] = {}
    for quota, _, measure in quotas.measured(config, template, 0, render.environments(config)):
        found[quota] = max(measure, found.get(quota, 0))
    return found


@pytest.mark.parametrize(
    ("quota", "text", "fits", "passes"),
    [
        (quotas.ENVIRONMENT, lambda count: mails(count, apart=False), 130, 170),
        (quotas.ROLE_POLICY, lambda count: mails(count, apart=True), 40, 120),
        (quotas.GRANTS_OF_ROLE, lambda count: grants(count, "app"), 10, 11),
        (quotas.OUTPUTS, grants, 190, 210),
        (quotas.RULES, lambda count: rules(count, "sns:{}"), 290, 300),
        (quotas.RESOURCES, lambda count: rules(count, "lambda:{}"), 200, 250),
        (quotas.PATTERN, lambda count: sites(count) + rule(site=names(count)), 300, 400),
        (quotas.FILTER, filtered, 50, 51),
        (quotas.FILTERS, subscribers, 200, 201),
        (quotas.FUNCTION_POLICY, lambda count: rules(count, "lambda:mine"), 30, 60),
        (quotas.QUEUE_CONDITIONS, lambda count: rules(count, "sqs:mine"), 10, 11),
        (quotas.TARGETS, lambda count: rules(count, "sqs:{}" + "q" * 60), 50, 100),
    ],
    ids=lambda it: it.of if isinstance(it, quotas.Quota) else "",
)
def test_each_limit_is_measured_as_the_configuration_grows(
    tmp_path: Path, quota: quotas.Quota, text: Callable[[int], str], fits: int, passes: int
) -> None:
    assert most(dev(tmp_path, text(fits)))[quota] <= quota.most
    assert most(dev(tmp_path, text(passes)))[quota] > quota.most


@pytest.mark.parametrize(("region", "takes"), [("eu-south-1", 100), ("af-south-1", 100), ("eu-central-1", 300)])
def test_a_bus_holds_fewer_rules_in_some_regions(tmp_path: Path, region: str, takes: int) -> None:
    config = replace(dev(tmp_path, rules(120, "sns:{}")), region=region)
    (found,) = [quota for quota in most(config) if quota.of.startswith("rules on")]
    assert found.most == takes


def test_what_passes_is_named_with_how_much_the_limit_the_way_out_and_the_page(tmp_path: Path) -> None:
    text = rules(12, "sqs:mine") + grants(11, "app")
    with pytest.raises(ConfigError) as raised:
        render.generated({"dev": dev(tmp_path, text)})
    said = str(raised.value)
    assert said.startswith("herald.toml: stage dev asks for more than AWS takes:\n")
    for quota, line in (
        (quotas.QUEUE_CONDITIONS, "conditions in the policy of sqs:mine: 12 conditions, and AWS takes 10."),
        (quotas.GRANTS_OF_ROLE, "grants attached to role app: 11 policies, and AWS takes 10."),
    ):
        assert f"  {line} Way out: {quota.way_out}\n    {quota.source}" in said


def test_names_fit_however_long_those_of_a_stage_and_an_entry_are() -> None:
    """Both are bounded, to 12 and 20 characters, so no configuration can pass the 64 of a function, role or rule.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
    """
    shortest = stage_named("local")
    more = 12 - len("local")
    for spec in functions_of(shortest):
        assert max(len(shortest.function(spec.name)), len(shortest.role(spec.name))) + more <= 64
    assert len(f"{shortest.bus}-rule-") + 20 + more <= 64
