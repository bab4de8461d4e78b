"""Errors that end a command with a message for the person who typed it, and those of AWS that are an answer."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError


class OpsError(Exception):
    """What went wrong and what to do about it, in words for a terminal."""


@contextmanager
def unless(code: str) -> Iterator[None]:
    """Take an error of AWS with this code for an answer: what was to be made is there, or to be deleted is gone."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] != code:
            raise
