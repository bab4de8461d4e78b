"""The gateway's own answers, as the page whose form was refused reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ops.aws.account import Account
from ops.config.loader import load
from ops.deploy.deployment import Deployment, _steps
from ops.deploy.release import plan
from ops.naming import AwsLocation
from ops.templates.gateway_answers import ANSWERS, GatewayAnswer

ROOT = Path(__file__).resolve().parent.parent.parent
WHERE = AwsLocation("aws", "eu-central-1", "123456789012")
ORIGIN = "https://www.example.com"


def answers(*origins: str, **site: Any) -> Mapping[str, Mapping[str, Any]]:
    """What deploying a stage whose site has these origins sets, by AWS's names."""
    config = load(ROOT)["local"]
    one = config.stage.sites["default"]._replace(origins=origins, **{"loopback": False, **site})
    return plan(ROOT, replace(config, stage=config.stage._replace(sites={"default": one})), WHERE).answers


def headers(answer: Mapping[str, Any]) -> dict[str, str]:
    """The headers of an answer: a literal stands in single quotes, or API Gateway takes it for a mapping.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gatewayResponse-definition.html
    """
    found = {}
    for name, value in answer["responseParameters"].items():
        place, _, header = name.rpartition(".")
        assert place == "gatewayresponse.header"
        assert value[0] == value[-1] == "'"
        assert "'" not in value[1:-1]
        found[header] = value[1:-1]
    return found


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.code)
def test_a_page_of_the_one_allowed_origin_can_read_each_of_them(answer: GatewayAnswer) -> None:
    """https://fetch.spec.whatwg.org/#cors-check"""
    made = answers(ORIGIN)
    assert made.keys() == {each.code for each in ANSWERS}
    retry = {"Retry-After": str(answer.retry_after)} if answer.retry_after else {}
    assert headers(made[answer.code]) == retry | {
        "Content-Type": "application/problem+json",
        "Access-Control-Allow-Origin": ORIGIN,
        "Access-Control-Expose-Headers": "Retry-After",
        "Vary": "Origin",
    }
    assert made[answer.code].get("statusCode") == (str(answer.status) if answer.status else None)
    (body,) = made[answer.code]["responseTemplates"].values()
    assert json.loads(body)["errors"] == [{"code": answer.code, "message": answer.title}]


def test_pages_that_no_one_origin_names_can_read_them_too() -> None:
    for made in (answers(ORIGIN, "https://example.org"), answers(ORIGIN, null_origin=True), answers(loopback=True)):
        assert {headers(answer)["Access-Control-Allow-Origin"] for answer in made.values()} == {"*"}


def test_they_are_set_next_after_chalice_which_deploys_an_api_without_them(stubbed: Any) -> None:
    """Importing an API over another drops them: https://docs.aws.amazon.com/apigateway/latest/api/API_PutRestApi.html"""
    cfn, stub = stubbed("cloudformation")
    stub.add_client_error("describe_stacks", "ValidationError")  # It has no domain.
    config, account = load(ROOT)["local"], cast("Account", SimpleNamespace(cloudformation=cfn))
    names = [step.name for step in _steps(Deployment(ROOT, config, account, {}, print), plan(ROOT, config, WHERE))]
    assert names[names.index("functions") + 1] == "attributes"
