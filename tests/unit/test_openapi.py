"""The API's document: true to the settings, the table of fields, the code's own errors, and to OpenAPI itself."""

from __future__ import annotations

import ast
import json
import tomllib
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from chalicelib.errors import SubmissionError
from chalicelib.logic import submission, validation
from chalicelib.logic.form_body import FORM, JSON, MULTIPART, read
from chalicelib.logic.known_field_names import MEANINGS, Role
from chalicelib.settings import Limits, Site, Stage
from ops.config.loader import load
from ops.generate import openapi, render
from tests.fakes import LIMITS, site, stage
from tests.openapi import Document, operations, resolved, validator

CHALICELIB = Path(__file__).resolve().parents[2] / "chalicelib"
SHOP = site(
    "shop",
    required=("email", "Größe"),
    origins=("https://shop.example.com", "https://shop.example.org"),
    without_origin=False,
    null_origin=True,
    longest={"name": 5, "Größe": 3},
)
TWO = stage()._replace(sites={"default": site(), "shop": SHOP})
STAGES = {
    "one site": stage(),
    "two sites": TWO,
    "nothing is required": stage()._replace(sites={"default": site(required=())}),
    "everything is required": stage()._replace(
        sites={"default": site(required=("source", "name", "email", "subject", "message", "x"))}
    ),
    "no room": stage(limits=Limits(body_bytes=1024, field_count=2, field_bytes=1024))._replace(
        sites={"default": site(longest={"message": 3, "name": 1, "subject": 1, "source": 1})}
    ),
}


@pytest.fixture(params=STAGES, name="it")
def each_stage(request: pytest.FixtureRequest) -> Stage:
    found: Stage = STAGES[request.param]
    return found


@pytest.fixture
def document(it: Stage) -> Document:
    return openapi.document(it, "/api")


def everything(node: Any) -> Any:
    """A node and all that is in it."""
    yield node
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from everything(each)


# OpenAPI


def test_it_is_an_openapi_document(document: Document) -> None:
    import schemathesis

    schemathesis.openapi.from_dict(document).validate()
    with pytest.raises(Exception, match="responses"):
        schemathesis.openapi.from_dict({**document, "paths": {"/x": {"get": {"responses": []}}}}).validate()


def test_every_schema_is_one(document: Document) -> None:
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def test_every_reference_leads_somewhere_and_nothing_is_left_over(document: Document) -> None:
    used = {node["$ref"] for node in everything(document) if isinstance(node, dict) and "$ref" in node}
    there = {f"#/components/{kind}/{name}" for kind, found in document["components"].items() for name in found}
    assert used == there


def test_every_operation_has_a_name_of_its_own_and_words_for_people(document: Document) -> None:
    found = [operation for _, _, operation in operations(document)]
    assert len({operation["operationId"] for operation in found}) == len(found) == 23
    for operation in found:
        assert operation["summary"]
        assert operation["description"].endswith((".", ")."))
        for answer in operation["responses"].values():
            assert resolved(document, answer)["description"].endswith(".")


def test_the_version_is_that_of_the_project(root: Path, document: Document) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert document["info"]["version"] == project["version"]


@pytest.mark.parametrize(("base", "url"), [("/api", "/api"), ("", "/"), ("/forms/v1", "/forms/v1")])
def test_addresses_begin_with_the_base_that_is_given(base: str, url: str) -> None:
    assert [server["url"] for server in openapi.document(stage(), base)["servers"]] == [url]


def test_the_committed_document_is_that_of_the_first_stage_on_aws(root: Path) -> None:
    stages = load(root)
    text = render.generated(stages)[render.OPENAPI]
    assert json.loads(text) == openapi.document(stages["dev"].stage, "/api")
    assert "127.0.0.1" not in text
    only_local = {"local": stages["local"]}
    assert json.loads(render.generated(only_local)[render.OPENAPI])["servers"][0]["description"] == "Stage local"


# The code's own errors


def refusals_in(source: str) -> dict[int, set[str]]:
    """The codes that a module can put into ``errors`` of an answer, by status.

    A refusal without problems has its own code as its only one. Problems that are gathered first are those of 422.
    """
    found: dict[int, set[str]] = defaultdict(set)
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    inside: set[ast.AST] = set()
    for call in calls:
        assert isinstance(call.func, ast.Name)
        if call.func.id == "SubmissionError":
            status, code, *problems = call.args
            assert isinstance(status, ast.Constant), ast.unparse(call)
            assert not any(isinstance(each, ast.Starred) for each in problems) or status.value == 422
            found[int(str(status.value))] |= set() if problems else strings(code)
            for problem in problems:
                if isinstance(problem, ast.Call):
                    inside.add(problem)
                    found[int(str(status.value))] |= strings(problem.args[0])
        elif call.func.id == "_malformed":
            found[400] |= strings(call.args[0])
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem":
            found[422] |= set() if node in inside else strings(node.args[0])
        elif isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["code"]:
            found[422] |= strings(node.value)
    return {status: codes for status, codes in found.items() if codes}


def strings(expression: ast.expr) -> set[str]:
    if isinstance(expression, ast.IfExp):
        return strings(expression.body) | strings(expression.orelse)
    return {expression.value} if isinstance(expression, ast.Constant) and isinstance(expression.value, str) else set()


def test_the_search_finds_what_it_should() -> None:
    for source, found in (
        ('SubmissionError(404, "a")\nSubmissionError(413, "b", Problem("c", "body"))', {404: {"a"}, 413: {"c"}}),
        ('SubmissionError(422, "a", *problems)\ncode = "b" if x else "c"\nProblem("d", name)', {422: {"b", "c", "d"}}),
        ('_malformed("a")\nSubmissionError(400, "b", Problem(code, "body"))', {400: {"a"}}),
    ):
        assert refusals_in(source) == found


def test_every_status_and_code_that_the_code_can_give_is_described_and_no_other() -> None:
    found: dict[int, set[str]] = defaultdict(set)
    for folder in ("logic", "handlers"):
        for path in sorted((CHALICELIB / folder).glob("*.py")):
            for status, codes in refusals_in(path.read_text(encoding="utf-8")).items():
                found[status] |= codes
    assert {status: set(codes) for status, (_, codes) in openapi.REFUSALS.items()} == found


def test_every_refusal_is_an_answer_of_every_form(document: Document) -> None:
    statuses = {str(status) for status in openapi.REFUSALS if status != 405}
    for path, method, operation in operations(document):
        if method == "POST":
            assert statuses <= set(operation["responses"]), path
            for status in statuses:
                kinds = set(resolved(document, operation["responses"][status])["content"])
                assert {"application/problem+json", "text/html"} <= kinds


# Fields


def test_every_known_name_is_described_with_what_it_stands_for(document: Document, it: Stage) -> None:
    for name in it.sites:
        for kind in ("json", "form"):
            properties = document["components"]["schemas"][f"{name}.{kind}"]["properties"]
            assert set(MEANINGS) <= set(properties)
            for field, what in MEANINGS.items():
                words = properties[field]["description"]
                assert words.endswith(".")
                if what.role is Role.HONEYPOT:
                    assert "honeypot" in words
                elif what.role is Role.FIELD and what.field != field:
                    assert f"`{what.field}`" in words


@cache
def json_schema(site: str) -> Callable[[object], None]:
    """The check of a site's JSON body, compiled once for all cases."""
    return validator(openapi.document(TWO, ""), {"$ref": f"#/components/schemas/{site}.json"})


def body_of(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode()


def accepted(fields: dict[str, Any], of: Site, limits: Limits = LIMITS) -> bool:
    """Whether the very code of the form takes these fields as JSON."""
    try:
        sent = submission.classify_fields(read(JSON, body_of(fields), limits))
        validation.validate(sent, of, limits)
    except SubmissionError:
        return False
    return True


@pytest.mark.parametrize(
    "fields",
    [
        {},
        *({"message": text} for text in ("Hi", "", " \n\t", "\u00a0\u2003\x1c", "a\r\nb\tc")),
        *({"message": "x" * length} for length in (10_240, 10_241)),
        *({"message": None}, {"message": 7}, {"message": True}, {"message": {"a": 1}}),
        *({"message": texts} for texts in ([], [""], ["a", 1.5, True], ["a", ["b"]])),
        *({"description": value} for value in ("Hi", "")),
        *({"message": "Hi", "name": value} for value in ("Ada", "", None, " \n Ada \r\n", "\u2028Ada", ["A", "da"])),
        *({"message": "Hi", "name": "x" * length} for length in (200, 201)),
        *({"message": "Hi", "email": value} for value in ("ada@example.com", "jürgen@bücher.example", "nobody")),
        *({"message": "Hi", "email": text} for text in ("nobody@", "", "  ")),
        *({"message": "Hi", "email": None}, {"message": "Hi", "email": 7}, {"message": "Hi", "email": False}),
        *({"message": "Hi", "email": ["ada@example.com", "b@example.com"][:number]} for number in (0, 1, 2)),
        *({"message": "Hi", "other": text} for text in ("", "x" * 10_240, "x" * 10_241)),
        *({"message": "Hi", "other": [1, None, "x"]}, {"message": "Hi", "other": {"a": 1}}),
        *({"message": "Hi", "form-name": "contact"}, {"message": "Hi", "_replyto": "nobody"}),
        *({"message": "Hi", "_gotcha": "\x00anything"}, {"message": "Hi", "_cc": ["a", 1]}),
        {"message": "Hi", "a" * 100: "x"},
        *({"message": "Hi", **{f"f{n}": "x" for n in range(number)}} for number in (49, 50)),
        *({"email": "ada@example.com", "Größe": size} for size in ("XL", "XXXL", " ")),
        *({"email": "ada@example.com"}, {"email": "", "Größe": "XL"}, {"_replyto": "ada@example.com", "Größe": 4}),
        {"email": ["ada@example.com"], "Größe": "XL", "name": "Ada Lovelace"},
    ],
    ids=lambda fields: repr(fields)[:60],
)
@pytest.mark.parametrize("name", ["default", "shop"])
def test_the_schema_takes_what_the_form_takes_and_refuses_what_it_refuses(name: str, fields: dict[str, Any]) -> None:
    try:
        json_schema(name)(fields)
        fits = True
    except jsonschema_rs.ValidationError:
        fits = False
    assert fits is accepted(fields, TWO.sites[name])


@pytest.mark.parametrize(
    "fields",
    [
        *({"message": value} for value in ("\x00Hi", "a\x85b")),
        *({"message": "Hi", "name": value} for value in ("A\u2028da", "A\x7f", "A\nda")),
        *({"message": "Hi", name: "x"} for name in ("a" * 101, "a\nb", "  ", "")),
        *({"message": "Hi", "other": "x\x00"}, {"message": "Hi", "other": {}}, {"message": "Hi", "access_key": {}}),
        *({"message": "Hi", "_subject": "A\nq"}, {"message": "Hi", "email": "a..b@example.com"}),
        {"your-message": "Hi"},
    ],
)
def test_the_form_forgives_what_the_schema_refuses_of_what_nobody_can_see(fields: dict[str, Any]) -> None:
    """Decision 0034. A program has no reason to send it, so its contract stays as it was."""
    with pytest.raises(jsonschema_rs.ValidationError):
        json_schema("default")(fields)
    assert accepted(fields, TWO.sites["default"])


def test_a_form_of_texts_has_the_rules_of_the_json_object() -> None:
    document = openapi.document(stage(), "")
    check = validator(document, {"$ref": "#/components/schemas/default.form"})
    check({"message": "Hi", "Topics": ["a", "b"], "name": "Ada", "email": "", "_gotcha": ""})
    check({"description": ["Hi", "there"]})
    for wrong in (
        *({"message": 7}, {"message": " "}, {"name": "Ada"}),
        *({"message": "Hi", "name": ["Ada"]}, {"message": "Hi", "email": "nobody"}, {"message": "Hi", "name": "A\nda"}),
        {"message": "Hi", **{f"f{n}": "x" for n in range(50)}},
    ):
        with pytest.raises(jsonschema_rs.ValidationError):
            check(wrong)


def test_a_stages_own_limits_are_told() -> None:
    document = openapi.document(STAGES["no room"], "")
    post = document["paths"]["/contact"]["post"]
    assert post["description"].startswith("At most 1 KiB and 2 fields.")
    assert document["components"]["schemas"]["default.json"]["maxProperties"] == 2
    assert document["components"]["schemas"]["default.form"]["additionalProperties"]["anyOf"][0]["maxLength"] == 1024


# Sites


def parameter(document: Document, path: str, method: str, name: str) -> Document:
    item = document["paths"][path]
    found = [resolved(document, each) for each in (*item.get("parameters", []), *item[method]["parameters"])]
    return next(each for each in found if each["name"] == name)


@pytest.mark.parametrize("path", ["/contact/{site}", "/f/{site}"])
def test_the_sites_are_named_and_a_body_is_that_of_any_of_them(path: str) -> None:
    document = openapi.document(TWO, "")
    assert parameter(document, path, "post", "site")["schema"]["enum"] == ["default", "shop"]
    for media_type, kind in ((JSON, "json"), (FORM, "form"), (MULTIPART, "form")):
        body = document["paths"][path]["post"]["requestBody"]["content"][media_type]["schema"]
        assert [each["$ref"].rpartition("/")[2] for each in body["anyOf"]] == [f"default.{kind}", f"shop.{kind}"]
    own = document["paths"]["/contact"]["post"]["requestBody"]["content"][JSON]["schema"]
    assert own == {"$ref": "#/components/schemas/default.json"}


def test_whose_pages_may_send_is_told_and_whether_an_origin_is_needed() -> None:
    document = openapi.document(TWO, "")
    own, any_ = (parameter(document, path, "post", "Origin") for path in ("/contact", "/contact/{site}"))
    assert own["schema"]["enum"] == ["https://www.example.com"]
    assert any_["schema"]["enum"] == [*own["schema"]["enum"], *SHOP.origins, "null"]
    assert (own["required"], any_["required"]) == (False, False), "one of the sites asks for none"
    assert parameter(document, "/contact", "options", "Origin")["required"] is True
    strict = openapi.document(stage()._replace(sites={"default": site(without_origin=False)}), "")
    assert parameter(strict, "/contact", "post", "Origin")["required"] is True


# Examples


def test_every_example_of_a_body_fits_every_site_that_it_is_shown_for(document: Document, it: Stage) -> None:
    for path, method, operation in operations(document):
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            sites = ["default"] if path == "/contact" else list(it.sites)
            assert len(content["examples"]) >= 5, (path, method)
            for name in sites:
                kind = "json" if media_type == JSON else "form"
                check = validator(document, {"$ref": f"#/components/schemas/{name}.{kind}"})
                for example in content["examples"].values():
                    fields = resolved(document, example)["value"]
                    check(fields)
                    assert accepted(fields, it.sites[name], it.limits)


def test_every_example_of_an_answer_fits_its_schema(document: Document) -> None:
    seen = 0
    for _, _, operation in operations(document):
        for answer in operation["responses"].values():
            for content in resolved(document, answer).get("content", {}).values():
                check = validator(document, content["schema"])
                for example in content.get("examples", {}).values():
                    check(example["value"])
                    seen += 1
    assert seen > 20
