"""Errors that end a command with a message for the person who typed it, and those of AWS that are an answer."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from botocore.exceptions import ClientError


class OpsError(Exception):
    """What went wrong and what to do about it, in words for a terminal."""


@contextmanager
def ignoring_aws_error(code: str) -> Iterator[None]:
    """Take an error of AWS with this code for an answer: what was to be made is there, or to be deleted is gone."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] != code:
            raise


def short_traceback(text: str, root: Path) -> str:
    """What a Python program wrote when it broke, without the way there: the place in the person's own code below
    ``root``, if that is on the way, and the error. A text without a traceback is returned as it is."""
    _, found, rest = text.rpartition("Traceback (most recent call last):\n")
    own = list(
        re.finditer(
            rf'^  File "{re.escape(str(root.resolve()))}/((?:app|chalicelib|vendor)\b.*)", (line \d+).*\n', text, re.M
        )
    )
    if own:
        rest = text[own[-1].end() :]
    elif not found:
        return text.strip()
    error = re.search(r"^\S.*(?:\n.+)*", rest, re.M)
    if not error:
        return text.strip()
    if not own:  # To the end: Chalice writes AWS's reason below an empty line.
        return re.sub(r"\n\s*\n", "\n", rest[error.start() :].strip())
    code = [line for line in rest[: error.start()].partition("  File ")[0].splitlines() if line.strip()]
    return "\n".join([f"{own[-1][1]}, {own[-1][2]}:", *code, error[0].strip()])
