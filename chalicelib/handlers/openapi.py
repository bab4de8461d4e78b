"""The API's own description."""

from __future__ import annotations

import json

from chalice.app import Request, Response

from chalicelib import composition
from chalicelib.logic import openapi

MAX_AGE = "300"
"""Seconds that the document may be kept: it changes with a deployment, and a page may ask for it often."""


def answer(request: Request | None) -> Response:
    """The OpenAPI document of this stage.

    Any page may read it, such as an explorer of APIs that is served elsewhere: it holds nothing that a form on a public
    page doesn't show, and no answer to it depends on who asks.
    """
    if request is None:
        raise RuntimeError("there is no request: Chalice sets it before it calls a view")
    # API Gateway names the whole path, whose beginning is its own: its stage, or what a custom domain maps to it.
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
    base = str((request.context or {}).get("path") or "").removesuffix(openapi.PATH)
    return Response(
        body=json.dumps(openapi.document(composition.get_container().stage, base), ensure_ascii=False),
        headers={
            "Content-Type": "application/json",
            "Access-Control-Allow-Origin": "*",
            "Cache-Control": f"public, max-age={MAX_AGE}",
        },
    )
