"""Mapping templates: what MiniStack's renderer lacks of "API Gateway mapping template and access logging variables".

Adds ``#if``/``#elseif``/``#else``/``#end`` and ``#foreach`` with the operators of the Velocity Template Language, the
methods of strings, lists and maps that templates use, ``$util.escapeJavaScript``, ``urlDecode``, ``base64Encode``,
``base64Decode`` and ``parseJson``, and ``$context.responseOverride``.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-override-request-response-parameters.html
https://velocity.apache.org/engine/1.7/vtl-reference.html
"""

from __future__ import annotations

import base64
import json
import operator
import re
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ops.local.aws.ministack_modules import apigateway_v1, extend

EXTENDS = (
    "ministack.services.apigateway_v1:_VTL_SET",
    "ministack.services.apigateway_v1:_vtl_close_paren",
    "ministack.services.apigateway_v1:_vtl_input",
    "ministack.services.apigateway_v1:_vtl_json_path",
    "ministack.services.apigateway_v1:_vtl_parse_ref",
    "ministack.services.apigateway_v1:_vtl_render",
    "ministack.services.apigateway_v1:_vtl_resolve",
    "ministack.services.apigateway_v1:_vtl_set",
    "ministack.services.apigateway_v1:_vtl_split_args",
    "ministack.services.apigateway_v1:_vtl_str",
    "ministack.services.apigateway_v1:_vtl_util",
    "ministack.services.apigateway_v1:_vtl_value",
    "ministack.services.apigateway_v1:_vtl_walk",
)

State = dict[str, Any]
"""MiniStack's state of one rendering: ``vars``, ``context``, ``body``, ``params``, ``gobbled``."""


class TemplateError(ValueError):
    """The template isn't well formed; API Gateway answers such a request with 500."""


class Condition(NamedTuple):
    """``#if`` with its branches: (condition or None for #else, nodes)."""

    branches: list[tuple[str | None, list[Node]]]


class Loop(NamedTuple):
    """``#foreach($variable in list)``."""

    variable: str
    items: str
    nodes: list[Node]


Node = str | Condition | Loop


class Parameters(dict[str, str]):
    """A request's parameters for ``$input.params``: by name, and for ``$input.params()`` by place."""

    def __init__(self, path: Mapping[str, str], querystring: Mapping[str, str], header: Mapping[str, str]) -> None:
        # "searched in that order": what comes later here is found first.
        super().__init__({**header, **querystring, **path})
        self.places = {"path": dict(path), "querystring": dict(querystring), "header": dict(header)}


_DIRECTIVE = re.compile(r"#(?:\{(if|elseif|else|end|foreach)\}|(if|elseif|else|end|foreach)\b)")
_REST_OF_LINE = re.compile(r"[ \t]*(?:\r\n|\n|\r)")
_FOREACH = re.compile(r"\s*\$!?\{?(\w+)\}?\s+in\s+(.*)", re.DOTALL)
_OVERRIDE = re.compile(
    r"\s*\$context\.responseOverride\.(status|header)(?:\.([\w-]+)|\[['\"]([\w-]+)['\"]\])?\s*=(.*)", re.DOTALL
)
_OPERATOR = re.compile(r"\s*(==|!=|<=|>=|&&|\|\||[<>+\-*/%()!]|(?:eq|ne|lt|le|gt|ge|and|or|not)\b)")
_WORDS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "and": "&&", "or": "||", "not": "!"}
_STRENGTH = {
    **dict.fromkeys(("||",), 1),
    **dict.fromkeys(("&&",), 2),
    **dict.fromkeys(("==", "!="), 3),
    **dict.fromkeys(("<", "<=", ">", ">="), 4),
    **dict.fromkeys(("+", "-"), 5),
    **dict.fromkeys(("*", "/", "%"), 6),
}
_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.floordiv,
    "%": operator.mod,
}


def install() -> None:
    """Extend MiniStack's renderer for all integrations that render a template."""
    extend(apigateway_v1, "_vtl_render", _render)
    extend(apigateway_v1, "_vtl_value", _value)
    extend(apigateway_v1, "_vtl_walk", _walk)
    extend(apigateway_v1, "_vtl_util", _util)
    extend(apigateway_v1, "_vtl_set", _set)
    extend(apigateway_v1, "_vtl_input", _input)
    extend(apigateway_v1, "_vtl_json_path", _json_path)


# Directives


def _render(render: Callable[[str, State], str], text: str, state: State) -> str:
    nodes, _, _ = _parse(text, 0, nested=False)
    return _render_nodes(render, nodes, state)


def _render_nodes(render: Callable[[str, State], str], nodes: list[Node], state: State) -> str:
    out = []
    for node in nodes:
        if isinstance(node, str):
            out.append(render(node, state))
        elif isinstance(node, Condition):
            for condition, body in node.branches:
                if condition is None or _true(apigateway_v1._vtl_value(condition, state)):
                    out.append(_render_nodes(render, body, state))
                    break
        else:
            items = apigateway_v1._vtl_value(node.items, state)
            sequence = list(items.values() if isinstance(items, dict) else items or [])
            outer = {name: state["vars"].get(name) for name in ("foreach", node.variable)}
            for index, item in enumerate(sequence):
                state["vars"][node.variable] = item
                state["vars"]["foreach"] = {"index": index, "hasNext": index + 1 < len(sequence)}
                out.append(_render_nodes(render, node.nodes, state))
            state["vars"].update(outer)
    return "".join(out)


def _parse(text: str, at: int, nested: bool) -> tuple[list[Node], int, tuple[str, str | None]]:
    """The nodes from ``at`` up to the directive that ends them, where they end, and that directive."""
    nodes: list[Node] = []
    start = at
    while at < len(text):
        if text.startswith("##", at):
            end = text.find("\n", at)
            at = len(text) if end < 0 else end + 1
            continue
        if text.startswith("#*", at):
            end = text.find("*#", at)
            at = len(text) if end < 0 else end + 2
            continue
        if text[at] != "#":
            at += 1
            continue
        if setting := apigateway_v1._VTL_SET.match(text, at):
            at = _closing(text, setting.end() - 1) + 1
            continue
        found = _DIRECTIVE.match(text, at)
        if not found:
            at += 1
            continue
        nodes.append(text[start:at])
        kind = found.group(1) or found.group(2)
        at = found.end()
        argument = None
        if kind in ("if", "elseif", "foreach"):
            opening = re.compile(r"\s*\(").match(text, at)
            if not opening:
                raise TemplateError(f"#{kind} without (")
            close = _closing(text, opening.end() - 1)
            argument, at = text[opening.end() : close], close + 1
        if rest := _REST_OF_LINE.match(text, at):
            at = rest.end()
        if kind in ("end", "else", "elseif"):
            if not nested:
                raise TemplateError(f"#{kind} without #if")
            return nodes, at, (kind, argument)
        if kind == "if":
            branches: list[tuple[str | None, list[Node]]] = []
            condition = argument
            while True:
                body, at, (ending, following) = _parse(text, at, nested=True)
                branches.append((condition, body))
                if ending == "end":
                    break
                condition = following
            nodes.append(Condition(branches))
        else:
            loop = _FOREACH.fullmatch(argument or "")
            if not loop:
                raise TemplateError("#foreach needs ($variable in list)")
            body, at, _ = _parse(text, at, nested=True)
            nodes.append(Loop(loop.group(1), loop.group(2), body))
        start = at
    if nested:
        raise TemplateError("#end is missing")
    nodes.append(text[start:])
    return nodes, at, ("", None)


def _closing(text: str, opening: int) -> int:
    close: int | None = apigateway_v1._vtl_close_paren(text, opening)
    if close is None:
        raise TemplateError("a ( isn't closed")
    return close


# Expressions


def _true(value: Any) -> bool:
    # Velocity 1.7: whatever isn't null or false is true, the empty string too.
    return value is not None and value is not False


def _value(value_of: Callable[[str, State], Any], expression: str, state: State) -> Any:
    tokens = _tokens(expression)
    if len(tokens) < 2:
        return value_of(expression, state)
    position = 0

    def operand() -> Any:
        nonlocal position
        symbol = tokens[position]
        position += 1
        if symbol == "!":
            return not _true(operand())
        if symbol == "-":
            return -operand()
        if symbol == "(":
            inner = combined(0)
            position += 1
            return inner
        return value_of(symbol, state)

    def combined(strength: int) -> Any:
        nonlocal position
        left = operand()
        while position < len(tokens) and _STRENGTH.get(tokens[position], 0) > strength:
            sign = tokens[position]
            position += 1
            right = combined(_STRENGTH[sign])
            left = _operate(sign, left, right)
        return left

    try:
        return combined(0)
    except IndexError:
        raise TemplateError(f"an expression isn't complete: {expression.strip()}") from None


def _operate(sign: str, left: Any, right: Any) -> Any:
    if sign == "&&":
        return _true(left) and _true(right)
    if sign == "||":
        return _true(left) or _true(right)
    if sign in ("==", "!="):
        text = apigateway_v1._vtl_str
        # Velocity compares what isn't of one class by its text.
        same = left == right if type(left) is type(right) else None not in (left, right) and text(left) == text(right)
        return same if sign == "==" else not same
    try:
        return _OPERATIONS[sign](left, right)
    except (TypeError, ZeroDivisionError):
        return None if sign in "+-*/%" else False


def _tokens(expression: str) -> list[str]:
    tokens = []
    at = 0
    text = expression.strip()
    while at < len(text):
        if text[at].isspace():
            at += 1
        elif text[at] in "'\"":
            end = at + 1
            while True:
                end = text.find(text[at], end)
                if end < 0:
                    raise TemplateError(f"a string isn't closed: {text}")
                if text.startswith(text[at] * 2, end):
                    end += 2
                    continue
                break
            tokens.append(text[at : end + 1])
            at = end + 1
        elif text[at] == "$":
            reference = apigateway_v1._vtl_parse_ref(text, at)
            if reference is None:
                raise TemplateError(f"a reference isn't readable: {text}")
            tokens.append(text[at : reference[0]])
            at = reference[0]
        elif found := _OPERATOR.match(text, at):
            tokens.append(_WORDS.get(found.group(1), found.group(1)))
            at = found.end()
        else:
            word = re.compile(r"[^\s()<>=!&|+*/%'\"$-]+").match(text, at)
            at = word.end() if word else at + 1
            tokens.append(word.group(0) if word else text[at - 1])
    return tokens


# Methods and $util


def _walk(walk: Callable[..., Any], node: Any, steps: list[tuple[str, str | None]], state: State) -> Any:
    for name, arguments in steps:
        if arguments is None:
            node = walk(node, [(name, None)], state)
        else:
            node = _call(node, name, _arguments(arguments, state))
        if node is None:
            return None
    return node


def _arguments(source: str, state: State) -> list[Any]:
    return [apigateway_v1._vtl_value(part, state) for part in apigateway_v1._vtl_split_args(source)]


def _java_replacement(text: str) -> str:
    return re.sub(r"\$(\d)", r"\\\1", text.replace("\\", r"\\"))


_STRING_METHODS: dict[str, Callable[..., Any]] = {
    "contains": lambda text, part: part in text,
    "endsWith": lambda text, part: text.endswith(part),
    "equals": lambda text, other: text == other,
    "equalsIgnoreCase": lambda text, other: text.lower() == str(other).lower(),
    "indexOf": lambda text, part: text.find(part),
    "isEmpty": lambda text: text == "",
    "length": len,
    "matches": lambda text, pattern: re.fullmatch(pattern, text) is not None,
    "replace": lambda text, old, new: text.replace(old, new),
    "replaceAll": lambda text, pattern, new: re.sub(pattern, _java_replacement(new), text),
    "split": lambda text, pattern: re.split(pattern, text),
    "startsWith": lambda text, part: text.startswith(part),
    "substring": lambda text, start, end=None: text[start:end],
    "toLowerCase": lambda text: text.lower(),
    "toString": lambda text: text,
    "toUpperCase": lambda text: text.upper(),
    "trim": lambda text: text.strip(),
}
_LIST_METHODS: dict[str, Callable[..., Any]] = {
    "contains": lambda items, item: item in items,
    "get": lambda items, index: items[index] if 0 <= index < len(items) else None,
    "isEmpty": lambda items: not items,
    "size": len,
}
_MAP_METHODS: dict[str, Callable[..., Any]] = {
    "containsKey": lambda entries, key: key in entries,
    "get": lambda entries, key: entries.get(key),
    "isEmpty": lambda entries: not entries,
    "keySet": lambda entries: list(entries),
    "size": len,
    "values": lambda entries: list(entries.values()),
}


def _call(node: Any, name: str, arguments: list[Any]) -> Any:
    for kind, methods in ((str, _STRING_METHODS), (list, _LIST_METHODS), (dict, _MAP_METHODS)):
        if isinstance(node, kind) and name in methods:
            try:
                return methods[name](node, *arguments)
            except (TypeError, re.error):
                return None
    return apigateway_v1._vtl_str(node) if name == "toString" else None


def escape_javascript(text: str) -> str:
    """``$util.escapeJavaScript``: "Escapes the characters in a string using JavaScript string rules"."""
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


_UTILITIES: dict[str, Callable[[str], Any]] = {
    "base64Decode": lambda text: base64.b64decode(text).decode("utf-8", "replace"),
    "base64Encode": lambda text: base64.b64encode(text.encode()).decode(),
    "escapeJavaScript": escape_javascript,
    "parseJson": _parse_json,
    "urlDecode": urllib.parse.unquote_plus,
}


def _util(util: Callable[..., Any], steps: list[tuple[str, str | None]], state: State) -> Any:
    name, arguments = steps[0] if steps else ("", None)
    if name not in _UTILITIES or arguments is None:
        return util(steps, state)
    values = _arguments(arguments, state)
    value = _UTILITIES[name](apigateway_v1._vtl_str(values[0] if values else ""))
    return apigateway_v1._vtl_walk(value, steps[1:], state) if steps[1:] else value


def _input(read: Callable[..., Any], steps: list[tuple[str, str | None]], state: State) -> Any:
    parameters = state["params"]
    if isinstance(parameters, Parameters) and steps and steps[0] == ("params", ""):
        return apigateway_v1._vtl_walk(parameters.places, steps[1:], state)
    value = read(steps, state)
    if len(steps) == 1 and steps[0][0] == "json" and steps[0][1] is not None:
        # "Returns the results as a JSON string": a text in quotation marks.
        return json.dumps(read([("path", steps[0][1])], state), ensure_ascii=False, separators=(",", ":"))
    return value


def _json_path(find: Callable[[str, str], Any], body: str, path: str) -> Any:
    dotted = re.sub(r"""\[(?:'([^']+)'|"([^"]+)"|(\d+))\]""", r".\1\2\3", path)
    return find(body, dotted)


def _set(set_variable: Callable[..., None], inner: str, state: State) -> None:
    override = _OVERRIDE.fullmatch(inner)
    if not override:
        set_variable(inner, state)
        return
    kind, name, quoted, expression = override.groups()
    value = apigateway_v1._vtl_value(expression, state)
    overrides = state["context"].setdefault("responseOverride", {"header": {}})
    if kind == "status":
        overrides["status"] = int(value)
    elif name or quoted:
        overrides["header"][name or quoted] = apigateway_v1._vtl_str(value)
