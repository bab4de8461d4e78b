"""Check answers against the API's OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any

import jsonschema_rs

Document = dict[str, Any]


def resolved(document: Document, node: Any) -> Any:
    """Return the node, or the one that its ``$ref`` points to."""
    while isinstance(node, dict) and "$ref" in node:
        found: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def validator(document: Document, schema: Any) -> Callable[[object], None]:
    """Return a function that raises for a value that does not match the schema."""
    whole = {**schema, "components": document["components"]}
    found: Any = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
    return lambda value: found.validate(value)


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Yield path, method in capitals, and operation."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method.upper(), operation


class Conformance:
    """Check that answers match the document and contain nothing that it leaves out."""

    def __init__(self, document: Document) -> None:
        self.document = deepcopy(document)
        # The document allows additional properties. In these tests each one is a mistake.
        for name in ("Accepted", "AcceptedForOtherScripts", "Problem", "GatewayProblem"):
            self.document["components"]["schemas"][name]["additionalProperties"] = False
        self._operations = {(path, method): it for path, method, it in operations(self.document)}
        self._validators: dict[tuple[str, str, str, str], Callable[[object], None]] = {}

    def check(self, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Fail unless the document describes this answer.

        The gateway answers a method that a path lacks, so only 404 and 405 are checked then.
        """
        template = self._template(path.partition("?")[0])
        operation = self._operations.get((template, method))
        if operation is None:
            assert status in (404, 405), f"{method} {path} is not described and was answered with {status}"
            return
        assert str(status) in operation["responses"], f"{method} {template} lacks {status}"
        response = resolved(self.document, operation["responses"][str(status)])
        given = {name.lower(): value for name, value in headers.items()}
        known = {name.lower() for name in response.get("headers", {})} | {"content-type"}
        assert set(given) <= known, f"{method} {template} {status} does not say {sorted(set(given) - known)}"
        for name, node in response.get("headers", {}).items():
            assert name.lower() in given or not resolved(self.document, node).get("required"), f"{name} is missing"
        if "content" not in response or method == "HEAD":
            assert body == b"", f"{method} {template} {status} has a body"
            return
        # The gateway adds application/json to a function's response without a type:
        # https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
        media_type = given.get("content-type", "application/json").partition(";")[0]
        assert media_type in response["content"], f"{method} {template} {status} lacks {media_type}"
        key = (template, method, str(status), media_type)
        if key not in self._validators:
            self._validators[key] = validator(self.document, response["content"][media_type]["schema"])
        self._validators[key](json.loads(body) if media_type.endswith("json") else body.decode())

    def _template(self, path: str) -> str:
        if path in self.document["paths"]:
            return path
        head, _, last = path.rpartition("/")
        above, _, site = head.rpartition("/")
        if last == "challenge" and site:
            return f"{above}/{{site}}/challenge" if above else f"{head}/{{site}}"
        return f"{head}/{{site}}"
