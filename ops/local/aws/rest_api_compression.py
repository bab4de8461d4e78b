"""Return ``minimumCompressionSize`` of a REST API as an integer, or not at all; MiniStack returns it as text.

Chalice disables compression by setting it to an empty text, which SDKs can't parse. AWS: "A nullable integer that is
used to enable compression (with non-negative between 0 and 10485760 (10M) bytes, inclusive) or disable compression
(with a null value) on an API."

https://docs.aws.amazon.com/apigateway/latest/api/API_RestApi.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ops.local.aws.ministack_modules import apigateway_v1, extend

EXTENDS = ("ministack.services.apigateway_v1:_rest_api_view",)


def install() -> None:
    """Correct the RestApi that Create, Get, List and Update return."""
    extend(apigateway_v1, "_rest_api_view", _with_nullable_integer)


def _with_nullable_integer(view_of: Callable[[Any], Any], api: Any) -> Any:
    """Return the RestApi with the size as an integer, or without it if compression is disabled."""
    view = view_of(api)
    if view and "minimumCompressionSize" in view:
        size = view.pop("minimumCompressionSize")
        if size not in (None, "", "null"):
            view["minimumCompressionSize"] = int(size)
    return view
