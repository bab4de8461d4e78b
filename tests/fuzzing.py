"""Schemathesis for this API: what it sends by the document, and which of its checks can't be right here.

It takes a second to import, so only the tests that use it do.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.logic.known_field_names import MEANINGS
from chalicelib.logic.message import is_filled
from tests.fakes import LIMITS
from tests.openapi import Document
from tests.rehearsal import REHEARSING

ADDRESSES = r"[a-z0-9üж]{1,9}([.+'_-][a-z0-9]{1,9})?@([a-z]{1,9}\.){1,2}(com|de)"
"""What email_validator takes for an address is what the API takes; a generator knows only how they look."""
UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Mode(StrEnum):
    """POSITIVE makes data as the document describes it, NEGATIVE data that breaks one of its rules."""

    POSITIVE = "positive"
    NEGATIVE = "negative"


def described(document: Document) -> Any:
    """The document as schemathesis reads it, and which answers are those of acceptance and of refusal."""
    import schemathesis
    from schemathesis.checks import load_all_checks

    schemathesis.openapi.format("idn-email", st.from_regex(ADDRESSES, fullmatch=True))
    load_all_checks()
    schema = schemathesis.openapi.from_dict(document)
    checks = schema.config.checks
    checks.positive_data_acceptance.expected_statuses = ["200", "202", "204", "303"]
    checks.negative_data_rejection.expected_statuses = ["400", "403", "404", "413", "415", "422"]
    return schema


def run(operation: Any, mode: Mode, examples: int, send: Callable[[Any], None]) -> None:
    """Send as many cases of an operation: the same ones each time, in a rehearsal those of the run's seed."""
    from schemathesis import GenerationMode

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=not REHEARSING,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=GenerationMode(mode)))
    def test(case: Any) -> None:
        send(case)

    test()


def excluded(case: Any) -> list[Any]:
    """The checks that can't be right, and only for the cases for which they can't."""
    from schemathesis.checks import CHECKS

    # API Gateway itself answers a method that a path lacks, with 404 where this check wants 405 and Allow.
    found = [CHECKS.get_one("unsupported_method")]
    if not any(code.startswith(("2", "3")) for code in case.operation.definition.raw["responses"]):
        # The document describes what a form without its method gets: a refusal, whatever the data.
        found += [CHECKS.get_one("positive_data_acceptance"), CHECKS.get_one("negative_data_rejection")]
    if forgiven(case.body):
        found.append(CHECKS.get_one("negative_data_rejection"))
    if isinstance(case.body, dict):
        if refused_all_the_same(case.body):
            found.append(CHECKS.get_one("positive_data_acceptance"))
        own = [MEANINGS[name].field for name in case.body if name in MEANINGS and MEANINGS[name].field]
        if len(set(own)) < len(own):
            # The one name of a field is not looked at where the other counts. JSON Schema could say so, but no
            # person could read it.
            found.append(CHECKS.get_one("negative_data_rejection"))
    return found


def refused_all_the_same(body: Any) -> bool:
    """Whether there is anything in it for which JSON Schema has no words: it can't add up that a list is as many fields
    as it has values, and doesn't know which characters nobody sees."""
    found = body.values() if isinstance(body, dict) else ()
    texts = [str(text) for each in found for text in (each if isinstance(each, list) else [each])]
    return len(texts) > LIMITS.field_count or any(text.strip() and not is_filled(text) for text in texts)


def forgiven(body: Any) -> bool:
    """Whether there is anything in it that the document doesn't allow, as no program has a reason to send it, and that
    the form takes all the same: what nobody can see, and the ``{}`` of an empty file field (decision 0034)."""
    match body:
        case str():
            return bool(UNSEEN.search(body))
        case dict():
            return not body or any(forgiven(each) for each in body.values())
        case list():
            return any(forgiven(each) for each in body)
    return False


def call(case: Any, base_url: str, session: requests.Session, accept: str = "") -> requests.Response:
    """Send a case as schemathesis made it and validate the answer; returns the answer."""
    answer = case.call(
        base_url=base_url, session=session, headers={"Accept": accept} if accept else None, allow_redirects=False
    )
    case.validate_response(answer, excluded_checks=excluded(case))
    found: requests.Response = answer
    return found
