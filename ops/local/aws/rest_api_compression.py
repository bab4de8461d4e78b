"""RestApi documents whose ``minimumCompressionSize`` is a number or absent.

API reference, RestApi: "A nullable integer that is used to enable compression (with non-negative between 0 and 10485760
(10M) bytes, inclusive) or disable compression (with a null value) on an API." MiniStack keeps the text of a patch, and
an SDK can't parse the empty one with which Chalice disables compression.

https://docs.aws.amazon.com/apigateway/latest/api/API_RestApi.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ops.local.aws.ministack_modules import apigateway_v1, extend

EXTENDS = ("ministack.services.apigateway_v1:_rest_api_view",)


def install() -> None:
    """Correct the one document that Create, Get, List and Update answer with."""
    extend(apigateway_v1, "_rest_api_view", _with_nullable_integer)


def _with_nullable_integer(view_of: Callable[[Any], Any], api: Any) -> Any:
    view = view_of(api)
    if view and "minimumCompressionSize" in view:
        size = view.pop("minimumCompressionSize")
        if size not in (None, "", "null"):
            view["minimumCompressionSize"] = int(size)
    return view
