"""The exact policy of each function."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chalicelib.functions import FUNCTIONS, functions_of, settings_of
from chalicelib.settings import Autoreply, Captcha, Channel, Spam, Stage
from ops.generate.render import policies, policy_file
from ops.naming import AwsLocation
from ops.templates.function_policies import policy
from ops.templates.wiring import template
from tests.fakes import EVERYWHERE, LIMITS, site, stage

WHERE = AwsLocation("aws", "eu-central-1", "123456789012")
BY_NAME = {spec.name: spec for spec in FUNCTIONS}


def statements(function: str, it: Stage) -> dict[str, Any]:
    """The statements of a function's policy by their ``Sid``."""
    return {each["Sid"]: each for each in policy(BY_NAME[function], it, WHERE)["Statement"]}


def test_nobody_else_may_send_to_a_queue() -> None:
    senders = {path.name for path, text in policies(stage(), WHERE).items() if "sqs:" in text}
    assert senders == {"policy-dev-on_success.json", "policy-dev-on_failure.json"}


def test_without_the_channel_no_policy_speaks_of_invoking_or_of_secrets() -> None:
    files = policies(stage(channels=()), WHERE)
    assert {path.name for path in files} == {f"policy-dev-{name}.json" for name in EVERYWHERE}
    for text in files.values():
        assert not [trace for trace in ("ssm:", "notify", "pushover", "InvokeNotifiers") if trace in text]
        assert all(statement["Resource"] for statement in json.loads(text)["Statement"])


@pytest.mark.parametrize(("partition", "region"), [("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")])
def test_every_arn_is_of_the_partition_region_and_account(partition: str, region: str) -> None:
    for text in policies(stage(), AwsLocation(partition, region, "999999999999")).values():
        for statement in json.loads(text)["Statement"]:
            for arn in statement["Resource"]:
                assert arn.split(":")[:2] == ["arn", partition]
                # A bucket's has neither.
                assert arn.split(":")[3:5] in ([region, "999999999999"], ["", ""])


# What only some stages have for their visitors


def test_a_captchas_secret_is_read_by_destined_alone_and_only_where_a_site_has_one() -> None:
    captcha = Captcha("turnstile", "https://captcha.example/", ("www.example.com",))
    it = stage()
    it.sites["shop"] = site("shop", spam=Spam(points={"captcha": 1}, captcha=captcha))  # type: ignore[index]
    name = f"arn:aws:ssm:eu-central-1:123456789012:parameter/herald/{it.name}/captcha/shop"
    having = {path.name for path, text in policies(it, WHERE).items() if "captcha" in text}
    assert having == {f"policy-{it.name}-destined.json"}
    read = statements("destined", it)["ReadCaptchaSecrets"]
    assert (read["Action"], read["Resource"]) == (["ssm:GetParameters"], [name])
    assert not any("aptcha" in text for text in policies(stage(), WHERE).values())


def test_visitors_are_answered_by_a_function_that_can_do_nothing_else_and_only_where_a_site_says_so() -> None:
    answers = Autoreply("shop@a.site", "shop@a.site", "", ("a.site",), "own", 1, 1, {"en": ("a", "b")})
    it = stage()._replace(sites={"default": site()._replace(autoreply=answers)})
    found = statements("autoreply", it)
    assert set(found) == {"WriteLogs", "KeepFailedRuns", "ReadAnswered", "AnswerOnce", "SendAnswers"}
    assert found["SendAnswers"]["Action"] == ["ses:SendEmail"]
    ses = "arn:aws:ses:eu-central-1:123456789012"
    assert found["SendAnswers"]["Resource"] == [f"{ses}:identity/a.site", f"{ses}:configuration-set/own"]
    assert found["SendAnswers"]["Condition"] == {"StringEquals": {"ses:FromAddress": ["shop@a.site"]}}
    without = site()._replace(autoreply=answers._replace(configuration_set=""))
    default_sets = statements("autoreply", it._replace(sites={"default": without}))["SendAnswers"]["Resource"]
    assert default_sets == [f"{ses}:identity/a.site", f"{ses}:configuration-set/*"]
    table = ["arn:aws:dynamodb:eu-central-1:123456789012:table/herald-dev-messages"]
    assert [found[sid]["Resource"] for sid in ("ReadAnswered", "AnswerOnce")] == [table, table]
    assert not any("ses:" in text for path, text in policies(it, WHERE).items() if "autoreply" not in path.name)
    assert "autoreply" not in {spec.name for spec in functions_of(stage())}
    assert "utoreply" not in json.dumps(template(stage()))


# The stage's key, and the address of challenges


def with_signs(*signs: str) -> Stage:
    """A stage with two sites, of which the second looks for these signs."""
    it = stage()
    it.sites["shop"] = site("shop", spam=Spam(points=dict.fromkeys(signs, 1)))  # type: ignore[index]
    return it


NEEDED = [((), False), (("honeypot", "fill_time", "links"), False), (("rate",), True), (("proof_of_work",), True)]


@pytest.mark.parametrize(("signs", "needed"), NEEDED, ids=str)
def test_the_api_may_read_the_key_where_one_site_needs_it_and_this_one_parameter_alone(
    signs: tuple[str, ...], needed: bool
) -> None:
    found = {sid: (it["Action"], it["Resource"]) for sid, it in statements("api_handler", with_signs(*signs)).items()}
    key = (["ssm:GetParameters"], ["arn:aws:ssm:eu-central-1:123456789012:parameter/herald/dev/spam/key"])
    assert found.get("ReadKey") == (key if needed else None)
    assert set(found) - {"ReadKey"} == {"WriteLogs", "PublishMessages"}


@pytest.mark.parametrize("signs", [signs for signs, _ in NEEDED], ids=str)
def test_nobody_but_the_api_may_read_the_key_and_signs_change_no_other_policy(signs: tuple[str, ...]) -> None:
    without, with_ = policies(stage(), WHERE), policies(with_signs(*signs), WHERE)
    assert set(without) == set(with_)
    changed = {path.name for path in with_ if with_[path] != without[path]}
    assert changed <= {"policy-dev-api_handler.json"}
    assert {path.name for path, text in with_.items() if "/spam/key" in text} == changed


ROUTES = """
import json, sys
from chalicelib import stages
from chalicelib.settings import Spam
local = stages.STAGES["local"]
spam = Spam(points=dict.fromkeys(sys.argv[1:], 1))
shop = local.sites["default"]._replace(name="shop", spam=spam)
stages.STAGES["local"] = local._replace(sites={**local.sites, "shop": shop})
import app
print(json.dumps({path: sorted(methods) for path, methods in app.app.routes.items()}))
assert "altcha" not in sys.modules, "paid for by the first request that needs it"
"""


def routes(root: Path, *signs: str) -> dict[str, list[str]]:
    """The addresses that ``app.py`` registers where a site looks for these signs, asked in a process of its own."""
    command = [sys.executable, "-c", ROUTES, *signs]
    env = {"HERALD_STAGE": "local", "PATH": "", "PYTHONPATH": "vendor", "AWS_CHALICE_CLI_MODE": "true"}
    ran = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, list[str]] = json.loads(ran.stdout)
    return found


def test_there_is_an_address_for_challenges_only_where_a_site_asks_for_work(root: Path) -> None:
    without = routes(root, "honeypot", "fill_time", "links", "rate")
    assert set(without) == {"/contact", "/contact/{site}", "/f/{site}", "/health", "/openapi.json"}
    assert routes(root, "proof_of_work") == without | {"/contact/{site}/challenge": ["GET"]}


def hooked(*used: str) -> Stage:
    """A stage with three webhook channels, of which a site is served by those in ``used``."""
    options = {"own": True, "slack": False, "spare": True}
    channels = {name: Channel(name, "webhook", True, 5, "", {"signed": signed}) for name, signed in options.items()}
    return Stage("dev", {"default": site("default", *used)}, channels, LIMITS)


def test_notify_webhook_may_read_the_parameters_of_the_channels_in_use_and_nothing_else() -> None:
    texts = policies(hooked("own", "slack"), WHERE)
    written = json.loads(texts[policy_file("dev", "notify_webhook")])["Statement"]
    (read,) = (statement for statement in written if statement["Sid"] != "WriteLogs")
    path = "arn:aws:ssm:eu-central-1:123456789012:parameter/herald/dev"
    assert read["Action"] == ["ssm:GetParameters"]
    assert read["Resource"] == [f"{path}/own/url", f"{path}/own/secret", f"{path}/slack/url"]
    for function, text in texts.items():
        assert ("ssm:" in text) == (function == policy_file("dev", "notify_webhook"))


def test_without_a_webhook_in_use_there_is_neither_function_nor_policy_nor_grant() -> None:
    it = hooked("pushover")._replace(channels={**hooked("own").channels, **stage().channels})
    assert "notify_webhook" not in {spec.name for spec in functions_of(it)}
    for path, text in policies(it, WHERE).items():
        assert not [trace for trace in ("webhook", "/own/", "/slack/", "/spare/") if trace in path.name + text]


def test_a_channel_that_is_for_alarms_alone_is_none_that_messages_are_delivered_by() -> None:
    two = {**stage().channels, "alarm": Channel("alarm", "webhook", True, 5, "", {"signed": True})}
    it = stage()._replace(channels=two, alarm_channels=("alarm",))
    function = "arn:aws:lambda:eu-central-1:123456789012:function:herald-dev-notify"
    assert statements("destined", it)["InvokeNotifiers"]["Resource"] == [f"{function}_pushover"]
    for name in ("on_failure", "retry_due"):
        assert statements(name, it)["NotifyOwner"]["Resource"] == [f"{function}_webhook"]
    assert settings_of(BY_NAME["destined"], it) == {"LAMBDA_NOTIFICATIONS": "pushover=herald-dev-notify_pushover"}
    assert settings_of(BY_NAME["on_failure"], it) == {"LAMBDA_NOTIFICATIONS": "alarm=herald-dev-notify_webhook"}
    assert settings_of(BY_NAME["on_failure"], stage()) == {}


def test_no_function_may_scan_the_table() -> None:
    grants = [(spec.name, grant) for spec in FUNCTIONS for grant in spec.all_grants]
    assert [(name, grant.sid) for name, grant in grants if "dynamodb:Scan" in grant.actions] == []


def test_only_a_traced_stage_may_send_traces() -> None:
    plain, traced = stage(), stage()._replace(xray=True)
    for function, text in policies(traced, WHERE).items():
        found = {each["Sid"]: (each["Action"], each["Resource"]) for each in json.loads(text)["Statement"]}
        assert found["TraceRuns"] == (["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"])
        assert "xray" not in policies(plain, WHERE)[function]
