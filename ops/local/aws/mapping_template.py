"""Render API Gateway mapping templates with airspeed, as MiniStack supports only ``#set`` and plain references.

This module adds API Gateway's variables ``$input``, ``$util`` and ``$context.responseOverride``, and the Java methods
of strings, lists and maps that templates use. It also corrects airspeed where it deviates from Velocity 1.7
(:func:`_adapt_airspeed`).

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-override-request-response-parameters.html
https://velocity.apache.org/engine/1.7/vtl-reference.html
"""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

import airspeed

from ops.local.aws.ministack_modules import apigateway_v1, extend

EXTENDS = (
    "ministack.services.apigateway_v1:_render_request_template_v1",
    "ministack.services.apigateway_v1:_vtl_json_path",
    "ministack.services.apigateway_v1:_vtl_str",
)

TemplateError = airspeed.TemplateError
"""The template is malformed or calls an unknown method. API Gateway answers such a request with 500."""


class Parameters(dict[str, str]):
    """The parameters of a request, by name for ``$input.params('x')``.

    ``places`` has them by location (path, querystring, header) for ``$input.params()``.
    """

    def __init__(self, path: Mapping[str, str], querystring: Mapping[str, str], header: Mapping[str, str]) -> None:
        # AWS searches path, query string and header in this order, so a path parameter overwrites the others here.
        super().__init__({**header, **querystring, **path})
        self.places = {"path": dict(path), "querystring": dict(querystring), "header": dict(header)}


def install() -> None:
    """Render the templates of all integrations with airspeed."""
    _adapt_airspeed()
    extend(apigateway_v1, "_render_request_template_v1", _render)
    extend(apigateway_v1, "_vtl_json_path", _json_path)


def _render(
    _: Callable[..., str],
    template: str,
    body: str,
    parameters: Mapping[str, str],
    context: dict[str, Any] | None = None,
) -> str:
    """Render a template. Stores response overrides in ``context["responseOverride"]``. Raises TemplateError."""
    # airspeed supports neither #{if} nor header names in brackets.
    template = re.sub(r"#\{(if|elseif|foreach|set)\}", r"#\1", template)
    template = re.sub(r"""(responseOverride\.header)\[(['"])([\w-]+)\2\]""", r"\1.\3", template)
    context = {} if context is None else context
    context.setdefault("responseOverride", {"header": {}})
    text: str = airspeed.Template(template).merge(
        {"input": _input(body, parameters), "util": _UTILITIES, "context": context}
    )
    return text


def _input(body: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the variable ``$input`` for a request body."""

    def params(name: str | None = None) -> Any:
        if name is None:
            return parameters.places if isinstance(parameters, Parameters) else dict(parameters)
        return str(parameters.get(name, ""))

    def path(json_path: str) -> Any:
        return apigateway_v1._vtl_json_path(body, json_path)

    def as_json(json_path: str) -> str:
        # AWS returns JSON, so a string gets quotation marks.
        return json.dumps(path(json_path), ensure_ascii=False, separators=(",", ":"))

    return {"body": body, "params": params, "path": path, "json": as_json}


def _json_path(find: Callable[[str, str], Any], body: str, path: str) -> Any:
    """Evaluate a JSONPath. Adds names and indices in brackets, which MiniStack doesn't support."""
    return find(body, re.sub(r"""\[(?:'([^']+)'|"([^"]+)"|(\d+))\]""", r".\1\2\3", path))


def escape_javascript(text: str) -> str:
    """Escape a string by JavaScript's rules: ``$util.escapeJavaScript``."""
    named = {"\\": "\\\\", '"': '\\"', "'": "\\'", "/": "\\/", "\b": "\\b", "\f": "\\f"}
    named.update({"\n": "\\n", "\r": "\\r", "\t": "\\t"})
    units = text.encode("utf-16-be")
    out = []
    for high, low in zip(units[::2], units[1::2], strict=True):
        code = high << 8 | low
        plain = chr(code) if 32 <= code < 127 else f"\\u{code:04X}"
        out.append(named.get(chr(code), plain))
    return "".join(out)


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _of_text(function: Callable[[str], Any]) -> Callable[[Any], Any]:
    """Return the function for arguments of any type, which it gets as text."""
    return lambda value: function(apigateway_v1._vtl_str(value))


_UTILITIES: dict[str, Callable[[Any], Any]] = {
    "base64Decode": _of_text(lambda text: base64.b64decode(text).decode("utf-8", "replace")),
    "base64Encode": _of_text(lambda text: base64.b64encode(text.encode()).decode()),
    "escapeJavaScript": _of_text(escape_javascript),
    "parseJson": _of_text(_parse_json),
    "urlDecode": _of_text(urllib.parse.unquote_plus),
    # The rules of java.net.URLEncoder: https://docs.oracle.com/javase/8/docs/api/java/net/URLEncoder.html
    "urlEncode": _of_text(lambda text: urllib.parse.quote_plus(text, safe="*").replace("~", "%7E")),
}
"""The variable ``$util``."""


def _java_replacement(text: str) -> str:
    """Convert the replacement string of a Java regular expression (``$1``) to Python's (``\\1``)."""
    return re.sub(r"\$(\d)", r"\\\1", text.replace("\\", r"\\"))


_METHODS: dict[type, dict[str, Callable[..., Any]]] = {
    str: {
        "endsWith": lambda text, part: text.endswith(part),
        "equals": lambda text, other: text == other,
        "equalsIgnoreCase": lambda text, other: text.lower() == str(other).lower(),
        "indexOf": lambda text, part: text.find(part),
        "isEmpty": lambda text: text == "",
        "matches": lambda text, pattern: re.fullmatch(pattern, text) is not None,
        "replaceAll": lambda text, pattern, new: re.sub(pattern, _java_replacement(new), text),
        "substring": lambda text, start, end=None: text[start:end],
        "toLowerCase": str.lower,
        "toString": lambda text: text,
        "toUpperCase": str.upper,
        "trim": str.strip,
    },
    list: {
        "get": lambda items, index: items[index] if 0 <= index < len(items) else None,
        "isEmpty": lambda items: not items,
    },
    dict: {
        "containsKey": lambda entries, key: key in entries,
        "isEmpty": lambda entries: not entries,
        "size": len,
        "toString": apigateway_v1._vtl_str,
    },
}
"""Java methods that airspeed lacks or implements differently, by the type of the object."""


def _is_true(value: Any) -> bool:
    return value is not None and value is not False


def _is_same(left: Any, right: Any) -> bool:
    """Compare two values, by their text if their types differ. Null equals null only."""
    text = apigateway_v1._vtl_str
    return bool(left == right if type(left) is type(right) else None not in (left, right) and text(left) == text(right))


def _adapt_airspeed() -> None:
    """Correct airspeed 0.7.1 where it deviates from Velocity 1.7 and API Gateway."""
    for kind, methods in _METHODS.items():
        airspeed.__additional_methods__[kind].update(methods)

    def write_reference(self: Any, stream: Any, namespace: Any, loader: Any) -> None:
        # Write null as nothing, and booleans, lists and maps as JSON.
        known = self.expression is not None
        stream.write(apigateway_v1._vtl_str(self.calculate(namespace, loader)) if known else self.my_text())

    airspeed.FormalReference.evaluate_raw = write_reference

    # Allow "-" in names, as in $context.responseOverride.header.X-Name.
    airspeed.SetDirective.PLACE = re.compile(r"\s*\$([a-z_][\w-]*(?:\.[a-z_][\w-]*)*)", re.IGNORECASE)

    # Only null and false are false. The empty string and zero are true.
    for words, calculate in (
        (("&&", "and"), lambda left, right: _is_true(left) and _is_true(right)),
        (("||", "or"), lambda left, right: _is_true(left) or _is_true(right)),
        (("==", "eq"), _is_same),
        (("!=", "ne"), lambda left, right: not _is_same(left, right)),
    ):
        airspeed.BinaryOperator.OPERATORS.update(dict.fromkeys(words, calculate))
    airspeed.UnaryOperatorValue.OPERATORS.update(dict.fromkeys(("!", "not"), lambda value: not _is_true(value)))
    _after_parsing(airspeed.Condition, lambda self: self, _is_true)

    # #foreach over a map iterates over its values.
    _after_parsing(
        airspeed.ForeachDirective,
        lambda self: self.value,
        lambda items: list(items.values()) if isinstance(items, dict) else items,
    )


def _after_parsing(element: Any, part: Callable[[Any], Any], change: Callable[[Any], Any]) -> None:
    """Pass what the given part of each element calculates through ``change``."""
    parse = element.parse

    def parse_and_change(self: Any) -> None:
        parse(self)
        calculate = part(self).calculate
        part(self).calculate = lambda *arguments: change(calculate(*arguments))

    element.parse = parse_and_change
