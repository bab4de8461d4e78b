"""What to do where AWS does not answer, in words for the owner at this machine."""

from __future__ import annotations

from chalicelib.adapters.aws import ServiceError
from chalicelib.errors import HeraldError
from chalicelib.inbox.words import Trouble
from ops.aws.error_messages import CLIENT_ERRORS, error_code, explain
from ops.errors import OpsError

_AFTERWARDS = (
    "Then try again here. After a change of the shell's environment, stop this command (Ctrl-C) and start it again."
)


def trouble(error: Exception) -> Trouble | None:
    """What to say about an error of AWS, or of Herald's; None for a mistake in the code."""
    if explanation := explain(error):
        reason = explanation.reason[0].upper() + explanation.reason[1:]
        return Trouble(reason, f"{explanation.advice}. {_AFTERWARDS}".removeprefix(". "), explanation.code)
    if isinstance(error, OpsError):
        return Trouble("It could not be done", str(error))
    cause = error.__cause__ or error
    if isinstance(cause, (ServiceError, *CLIENT_ERRORS)):
        advice = "Try again. If it stays so, look up the name below."
        return Trouble("AWS refused, or did not answer", advice, error_code(cause) or type(cause).__name__)
    if isinstance(error, HeraldError):
        return Trouble("It could not be done", f"{error}. Try again.", type(error).__name__)
    return None
