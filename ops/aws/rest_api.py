"""Create and find the REST API that Chalice fills, by tags: AWS chooses its id, and Chalice gives all the same name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import HTTPClientError

from chalicelib.settings import APP
from ops.aws.eventual_consistency import until_found
from ops.errors import OpsError, ignoring_aws_error

if TYPE_CHECKING:
    from types_boto3_apigateway import APIGatewayClient

SAME_ADDRESS = {"ms-custom-id": APP}
"""The tag that makes MiniStack give the API this id. The API's address is then the same at each start, so a site can
name it."""


def standing(apis: APIGatewayClient, api: str | None) -> str | None:
    """The id if there still is an API of this id, else None."""
    with ignoring_aws_error("NotFoundException"):
        return apis.get_rest_api(restApiId=api)["id"] if api else None
    return None


def of_stage(apis: APIGatewayClient, tags: Mapping[str, str]) -> str | None:
    """The id of the API with these tags; raises :class:`OpsError` where several have them."""
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
    """Create an empty API with its tags in one call, so that it is found even if this answer is lost.

    It is there when this returns: Chalice would make a second one for an API that it doesn't find.
    """
    try:
        api = apis.create_rest_api(name=APP, endpointConfiguration={"types": ["REGIONAL"]}, tags=dict(tags))["id"]
    except HTTPClientError:
        found = until_found(lambda: of_stage(apis, tags))
        if found is None:
            raise
        api = found
    until_found(lambda: standing(apis, api))
    return api
