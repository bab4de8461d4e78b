"""Everything that is generated: the same text every time, current, and nothing left behind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from chalicelib.settings import Limits, RetryTimes, Site, Spam, Stage
from ops.config.loader import StageConfig, load
from ops.generate import render
from ops.generate.registered_functions import otherwise, undeclared
from ops.naming import AwsLocation
from tests.fakes import EVERYWHERE, channel, site, stage


def config(it: Stage) -> StageConfig:
    found = StageConfig(it, False, 30, 10, 20, None, None, None)
    if it.name != "local":
        return found
    return replace(found, endpoint="http://127.0.0.1:4566", account="000000000000", region="us-east-1")


STAGES = {name: config(stage(name)) for name in ("dev", "local", "prod")}


def chalice(stages: dict[str, StageConfig]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(render.generated(stages)[render.CHALICE_CONFIG])["stages"]
    return found


def test_the_same_configuration_gives_the_same_text_in_any_order() -> None:
    backwards = dict(reversed(list(STAGES.items())))
    assert list(render.generated(STAGES).items()) == list(render.generated(backwards).items())
    assert render.generated(STAGES) == render.generated(STAGES)


def test_concurrency_is_reserved_for_what_delivers_and_for_the_inbox_and_nothing_else() -> None:
    dev = STAGES["dev"]
    with_inbox = replace(dev, stage=dev.stage._replace(inbox=True), reserved=2, inbox_reserved=3)
    stages = {"dev": with_inbox, "prod": STAGES["prod"]}
    reserved = {
        (name, function): settings["reserved_concurrency"]
        for name, found in chalice(stages).items()
        for function, settings in found["lambda_functions"].items()
        if "reserved_concurrency" in settings
    }
    assert reserved == {("dev", "destined"): 2, ("dev", "inbox"): 3}


def test_what_is_committed_is_what_is_generated(root: Path) -> None:
    for path, text in render.generated(load(root)).items():
        assert (root / path).read_text(encoding="utf-8") == text, f"{path} is stale; run: ./herald render"
    assert render.left_over(root, render.generated(load(root))) == []


def test_no_account_is_committed_but_the_local_stacks() -> None:
    for path, text in render.generated(STAGES).items():
        words = text.replace(":", " ").replace('"', " ").split()
        numbers = {word for word in words if word.isdigit() and len(word) == 12}
        # A page that is written by hand around its tables shows AWS's own example account.
        assert numbers <= {"000000000000", *(("123456789012",) if path.suffix == ".md" else ())}, path
    policies = {path.name for path in render.generated(STAGES) if path.name.startswith("policy-")}
    assert policies
    assert all(name.startswith("policy-local-") for name in policies)


def test_the_compiled_stages_are_those_that_were_configured(tmp_path: Path) -> None:
    odd = Site(
        name="odd",
        thanks="https://example.com/?q=\"'\\{}",
        channels=("pushover",),
        required=("name", 'it\'s "quoted"'),
        retention_days=1,
        origins=("https://example.com", "http://127.0.0.1:8080"),
        without_origin=False,
        null_origin=True,
        language="de",
        longest={"message": 1, "Straße 'quoted' \\": 2},
        duplicate_seconds=60,
        spam=Spam({"rate": 7}, 9, 1.5, 2, 3, 4, 5),
    )
    few = Limits(body_bytes=1024, field_count=1, field_bytes=2048)
    sites, channels = {"odd": odd, "default": site()}, {"pushover": channel(retry_uncertain=False)}
    it = Stage("dev", sites, channels, few, RetryTimes(1, 2, 3, 4), ("pushover",), False, "it's")
    namespace: dict[str, dict[str, Stage]] = {}
    module = render.generated({"dev": config(it)})[render.STAGES_MODULE]
    exec(compile(module, "stages.py", "exec"), namespace)  # noqa: S102
    assert namespace["STAGES"] == {"dev": it}


def test_each_function_has_its_own_policy_and_nothing_more_than_it_declares() -> None:
    functions = chalice(STAGES)["dev"]["lambda_functions"]
    assert set(functions) == EVERYWHERE | {"notify_pushover"}
    for name, options in functions.items():
        assert options["iam_policy_file"] == f"policy-dev-{name}.json"
    environments = {name: options["environment_variables"] for name, options in functions.items()}
    own, notifiers = {"HERALD_AWS_CLIENT": "own"}, {"LAMBDA_NOTIFICATIONS": "pushover=herald-dev-notify_pushover"}
    assert environments.pop("destined") == own | notifiers
    assert all(environment == own for environment in environments.values())


def test_each_function_of_a_stage_calls_aws_with_the_client_that_is_chosen() -> None:
    chosen = replace(config(stage()), aws_client="botocore")
    functions = chalice({"dev": chosen})["dev"]["lambda_functions"]
    assert {options["environment_variables"]["HERALD_AWS_CLIENT"] for options in functions.values()} == {"botocore"}


def test_only_the_local_stage_points_at_the_local_stack() -> None:
    environments = {name: it["environment_variables"] for name, it in chalice(STAGES).items()}
    assert environments["dev"] == {"HERALD_STAGE": "dev"}
    assert environments["local"] == {
        "HERALD_STAGE": "local",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
        "AWS_SHARED_CREDENTIALS_FILE": ".herald/aws-4566/credentials",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def test_write_touches_only_what_differs(tmp_path: Path) -> None:
    files = render.generated(STAGES)
    assert set(render.write(tmp_path, files)) == set(files)
    assert render.write(tmp_path, files) == []
    (tmp_path / render.CHALICE_CONFIG).write_text("{}")
    assert render.write(tmp_path, files) == [render.CHALICE_CONFIG]


def test_files_of_a_stage_or_function_that_is_gone_are_left_over(tmp_path: Path) -> None:
    render.write(tmp_path, render.generated(STAGES))
    fewer = {"dev": STAGES["dev"], "local": config(stage("local", channels=()))}
    assert render.left_over(tmp_path, render.generated(fewer)) == [
        Path(".chalice/policy-local-notify_pushover.json"),
        Path("chalicelib/openapi/prod.json"),
        Path("infra/pipeline-prod.yaml"),
        Path("infra/wiring-prod.yaml"),
    ]
    assert render.left_over(tmp_path, render.generated(STAGES)) == []


def test_a_template_that_somebody_wrote_by_hand_is_never_left_over(tmp_path: Path) -> None:
    files = render.generated({"dev": STAGES["dev"]})
    render.write(tmp_path, render.generated(STAGES))
    mine = tmp_path / "infra" / "wiring-x.yaml"
    mine.write_text("# Written by hand\nResources: {}\n", encoding="utf-8")
    assert Path("infra/wiring-x.yaml") not in render.left_over(tmp_path, files)
    assert {path for path in render.left_over(tmp_path, files) if path.suffix == ".yaml"} == {
        Path("infra/pipeline-prod.yaml"),
        Path("infra/wiring-local.yaml"),
        Path("infra/wiring-prod.yaml"),
    }
    mine.write_text(files[render.wiring_file("dev")], encoding="utf-8")
    assert Path("infra/wiring-x.yaml") in render.left_over(tmp_path, files), "a generated one is, whatever its name"


def test_a_stage_with_an_address_has_alarms_and_its_template_does_not_hold_the_address() -> None:
    files = render.generated({**STAGES, "prod": replace(STAGES["prod"], alarms_to="owner@example.com")})
    assert "herald-prod-alarms" in files[render.wiring_file("prod")]
    assert "alarm" not in files[render.wiring_file("dev")].lower()
    assert not any("owner@example.com" in text for text in files.values())


def test_policies_of_other_stages_are_not_taken_for_left_over(tmp_path: Path) -> None:
    render.write(tmp_path, render.policies(stage("dev"), AwsLocation("aws", "eu-central-1", "123456789012")))
    assert render.left_over(tmp_path, render.generated(STAGES)) == []


def test_templates_hold_no_yaml_alias_and_no_account() -> None:
    for path, text in render.generated(STAGES).items():
        if path.suffix == ".yaml":
            assert "&id" not in text
            assert yaml.safe_load(text)["Resources"]


def test_a_function_that_is_registered_but_not_declared_is_named_and_the_reverse() -> None:
    assert undeclared({"destined"}, {"destined"}) == []
    assert undeclared({"destined", "extra"}, {"destined", "digest"}) == [
        "app.py registers extra, which the manifest lacks: chalicelib/functions.py, or own_functions.py and"
        " `functions` of the stage in herald.toml",
        "the manifest declares digest, which app.py lacks",
    ]


def test_a_function_that_chalice_would_run_otherwise_than_the_manifest_says_is_named() -> None:
    kinds = {"destined": "topic", "orders": "sqs", "retry_due": "schedule", "api_handler": "http", "gone": "url"}
    right = {"destined": "on_sns_message", "orders": "lambda_function", "retry_due": "schedule", "api_handler": "route"}
    assert otherwise(right, kinds) == []
    assert otherwise(right | {"orders": "on_sqs_message"}, kinds) == [
        "app.py registers orders with @app.on_sqs_message, and its trigger 'sqs' in the manifest wants"
        " @app.lambda_function"
    ]


@pytest.mark.parametrize(
    "broken", [replace(STAGES["local"], region=None), replace(STAGES["local"], account=None)], ids=["region", "account"]
)
def test_a_local_stage_without_account_or_region_is_no_place(broken: StageConfig) -> None:
    with pytest.raises(ValueError, match="names no account"):
        render.local_where(broken)
