"""Find the message that a typed id means: a whole id, or its first characters (docs/decisions/0040-short-ids.md)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence

from chalicelib.logic.invoke_contract import MAX_ID
from chalicelib.logic.stored_messages import ListedMessage
from chalicelib.settings import Stage
from ops.errors import OpsError
from ops.operations.logs import printed

NEWEST = 1000
"""The number of newest messages among which a shortened id is searched: up to twenty queries for each site."""
SHORTEST = 4
"""The least number of characters of a shortened id."""
_WHOLE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""An id as Herald makes it. Another publisher's may be any text."""
_CANDIDATES = 10


def whole_ids(
    typed: Sequence[str], is_there: Callable[[str], bool], newest: Callable[[], Iterable[ListedMessage]]
) -> list[str]:
    """The whole ids for ids as they were typed: each once, in their order, in upper or lower case.

    A text that no id begins with is returned unchanged. ``newest`` is called once, and only where a text is not an id
    itself. Raises :class:`OpsError` for a text that several ids begin with, and
    for one that is too long for an id.
    """
    if longer := [len(text) for text in typed if len(text) > MAX_ID]:
        raise OpsError(f"no message has an id of {longer[0]} characters: expected at most {MAX_ID}")
    # Herald's own ids are in lower case; another publisher's may not be, so only these are changed.
    meant = {text: text.lower() if _WHOLE.fullmatch(text.lower()) else text for text in typed}
    short = [text for text, whole in meant.items() if not _WHOLE.fullmatch(whole) and len(text) >= SHORTEST]
    short = [text for text in short if not is_there(text)]
    messages = list(newest()) if short else []
    for text in short:
        candidates = [message for message in messages if message.id.lower().startswith(text.lower())]
        if len(candidates) > 1:
            raise _ambiguous(text, candidates)
        if candidates:
            meant[text] = candidates[0].id
    return list(dict.fromkeys(meant.values()))


def no_message(typed: str, stage: Stage, what: str = "no message") -> str:
    """The sentence for an id that no message has, and how shortened ids are found."""
    bound = f". A shortened id, of {SHORTEST} characters or more, is looked for among the {NEWEST} newest messages"
    hint = "" if _WHOLE.fullmatch(typed.lower()) else bound
    return f"there is {what} {printed(typed)} in stage {stage.name}; perhaps it has expired{hint}"


def _ambiguous(typed: str, found: Sequence[ListedMessage]) -> OpsError:
    lines = []
    for message in found[:_CANDIDATES]:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(message.received_at))
        lines.append(f"  {printed(message.id)}  {at}  {printed(message.site)}")
    more = [f"  and {len(found) - _CANDIDATES} more"] if len(found) > _CANDIDATES else []
    return OpsError("\n".join([f"{printed(typed)} begins several ids; type more of one:", *lines, *more]))
