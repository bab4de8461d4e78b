"""The REST API that Chalice fills: made and found by its tags, as its id is chosen by AWS and its name by Chalice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from chalicelib.settings import APP
from ops.aws.account import Account
from ops.errors import OpsError, ignoring_aws_error

if TYPE_CHECKING:
    from types_boto3_apigateway import APIGatewayClient

SAME_ADDRESS = {"ms-custom-id": APP}
"""The tag by which MiniStack gives an API this id, so that a site may name its address: any other would be a new one at
each start."""


def standing(apis: APIGatewayClient, api: str | None) -> str | None:
    """The same id, if there is such an API."""
    with ignoring_aws_error("NotFoundException"):
        return apis.get_rest_api(restApiId=api)["id"] if api else None
    return None


def of_stage(apis: APIGatewayClient, tags: Mapping[str, str]) -> str | None:
    """The API of a stage by its tags; an :class:`OpsError` where there are several."""
    found = [
        api["id"]
        for page in apis.get_paginator("get_rest_apis").paginate()
        for api in page["items"]
        if api["name"] == APP and tags.items() <= api.get("tags", {}).items()
    ]
    if len(found) > 1:
        raise OpsError(f"several REST APIs have the tags of this stage: {', '.join(found)}. Delete the ones not in use")
    return found[0] if found else None


def create(apis: APIGatewayClient, tags: Mapping[str, str]) -> str:
    """An empty API, which has its tags from the first moment: it is found again also by who never got this answer."""
    return apis.create_rest_api(name=APP, endpointConfiguration={"types": ["REGIONAL"]}, tags=dict(tags))["id"]


def tag(account: Account, api: str, tags: Mapping[str, str]) -> None:
    """Give an API the stage's tags, which those lack that an older Herald made."""
    where = account.where
    arn = f"arn:{where.partition}:apigateway:{where.region}::/restapis/{api}"
    account.apis.tag_resource(resourceArn=arn, tags=dict(tags))
