"""``GET /openapi.json``: the API's own description."""

from __future__ import annotations

import json
from pathlib import Path

from chalice.app import Request, Response

from chalicelib import composition

PATH = "/openapi.json"
DOCUMENTS = Path(__file__).parents[1] / "openapi"
"""One file for each stage, as ``./herald render`` makes them (``ops/generate/openapi.py``)."""
MAX_AGE = "300"
"""Seconds that the document may be cached: it changes with a deployment, and a page may ask for it often."""


def answer(request: Request | None) -> Response:
    """Return the stage's OpenAPI document, with the address under which it was asked for as its server.

    Any page may read it, such as an API explorer that is served elsewhere: it holds nothing that a form on a public
    page doesn't show, and no answer to it depends on who asks.
    """
    if request is None:
        raise RuntimeError("there is no request: Chalice sets it before it calls a view")
    document = json.loads((DOCUMENTS / f"{composition.get_container().stage.name}.json").read_bytes())
    # API Gateway names the whole path, whose beginning is its own: its stage, or what a custom domain maps to it.
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
    document["servers"][0]["url"] = str((request.context or {}).get("path") or "").removesuffix(PATH) or "/"
    return Response(
        body=json.dumps(document, ensure_ascii=False),
        headers={
            "Content-Type": "application/json",
            "Access-Control-Allow-Origin": "*",
            "Cache-Control": f"public, max-age={MAX_AGE}",
        },
    )
