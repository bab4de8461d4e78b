"""The saved queries of CloudWatch Logs Insights, after the documented syntax.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html and the pages of each command below it.
"""

from __future__ import annotations

import re

import pytest

from chalicelib.logic.outcome_event import RunOutcome
from ops.templates.log_queries import QUERIES, resources
from tests.fakes import stage

FIELDS = {*RunOutcome._fields, "@timestamp"}
FUNCTIONS = {"bin", "count", "count_distinct", "ispresent", "max", "pct"}
"""Those of the documented functions that are used."""
NAME = r"@?[a-z_]+"
CALL = rf"(?:{'|'.join(FUNCTIONS)})\((?:\*|{NAME}|1d)(?:, \d+)?\)"
TERM = rf'(?:ispresent\({NAME}\)|{NAME} = "[^"]+")'
ITEM = rf"(?:{CALL}|{NAME})"
COMMANDS = {
    "filter": rf"{TERM}(?: (?:and|or) {TERM})*",
    "fields": rf"{NAME}(?:, {NAME})*",
    "stats": rf"{CALL} as {NAME}(?:, {CALL} as {NAME})* by {ITEM}(?:, {ITEM})*",
    "sort": rf"{NAME} (?:asc|desc)",
    "limit": r"\d{1,5}",
}


@pytest.mark.parametrize("query", QUERIES)
def test_each_command_has_the_documented_form_and_names_fields_that_are_logged(query: str) -> None:
    made: set[str] = set()
    for command in QUERIES[query]:
        verb, _, rest = command.partition(" ")
        assert re.fullmatch(COMMANDS[verb], rest), command
        made |= set(re.findall(r"\bas ([a-z_]+)", rest))
        words = set(re.findall(NAME, re.sub(r'"[^"]*"|\d+d', "", rest)))
        assert words - FUNCTIONS - {"and", "or", "as", "by", "asc", "desc"} <= FIELDS | made, command


def test_the_queries_read_the_logs_of_what_is_told_of_outcomes_and_have_a_folder_of_the_stage() -> None:
    for resource in resources(stage()).values():
        assert resource["Properties"]["Name"].startswith("herald-dev/")
        groups = ["/aws/lambda/herald-dev-on_success", "/aws/lambda/herald-dev-on_failure"]
        assert resource["Properties"]["LogGroupNames"] == groups
        assert len(resource["Properties"]["QueryString"]) <= 10_000
