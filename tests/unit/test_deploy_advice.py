"""What ``make deploy`` says of an error that the owner's own settings cause."""

from __future__ import annotations

import pytest

from ops.deploy.chalice_runner import advice


@pytest.mark.parametrize("least", [10, 50, 100])
def test_an_account_that_cant_reserve_is_told_what_to_change(least: int) -> None:
    """Lambda's words: https://github.com/awslabs/fhir-works-on-aws-deployment/issues/691"""
    said = advice(
        "botocore.errorfactory.InvalidParameterValueException: An error occurred (InvalidParameterValueException) when "
        "calling the PutFunctionConcurrency operation: Specified ReservedConcurrentExecutions for function decreases "
        f"account's UnreservedConcurrentExecution below its minimum value of [{least}].\n"
    )
    assert "`reserved` out of [delivery]" in said
    assert "Service Quotas" in said


@pytest.mark.parametrize(
    "said", ["", "AccessDeniedException: PutFunctionConcurrency", "InvalidParameterValueException"]
)
def test_of_any_other_error_nothing_is_guessed(said: str) -> None:
    assert advice(said) == ""
