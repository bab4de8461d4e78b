"""Ids as people type them: whole, or shortened to how they begin (docs/decisions/0040-short-ids.md)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence

from chalicelib.logic.archive import ListedMessage
from chalicelib.settings import Stage
from ops.errors import OpsError
from ops.operations.logs import printed

NEWEST = 1000
"""Messages among which a shortened id is looked for: twenty queries of each site."""
SHORTEST = 4
"""Characters of one."""
_WHOLE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""As Herald makes ids. Another publisher's may be any text, so whatever else is typed may be one, whole."""
_CANDIDATES = 10


def whole_ids(
    typed: Sequence[str], is_there: Callable[[str], bool], newest: Callable[[], Iterable[ListedMessage]]
) -> list[str]:
    """The ids that are meant, each once, in their order; what begins no id is given back as it is.

    ``newest`` is asked once, and only where something typed is no id of its own. Raises :class:`OpsError` for what
    begins several ids.
    """
    found = {one: [one] for one in typed}
    short = [one for one in found if not _WHOLE.fullmatch(one) and len(one) >= SHORTEST and not is_there(one)]
    messages = list(newest()) if short else []
    for one in short:
        begun = [message for message in messages if message.id.startswith(one)]
        if len(begun) > 1:
            raise _ambiguous(one, begun)
        if begun:
            found[one] = [begun[0].id]
    return list(dict.fromkeys(message_id for (message_id,) in found.values()))


def no_message(typed: str, stage: Stage, what: str = "no message") -> str:
    """That there is none, for a person, and what a shortened id is taken for."""
    bound = f". A shortened id, of {SHORTEST} characters or more, is looked for among the {NEWEST} newest messages"
    hint = "" if _WHOLE.fullmatch(typed) else bound
    return f"there is {what} {printed(typed)} in stage {stage.name}; perhaps it has expired{hint}"


def _ambiguous(typed: str, found: Sequence[ListedMessage]) -> OpsError:
    lines = []
    for message in found[:_CANDIDATES]:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(message.received_at))
        lines.append(f"  {printed(message.id)}  {at}  {printed(message.site)}")
    more = [f"  and {len(found) - _CANDIDATES} more"] if len(found) > _CANDIDATES else []
    return OpsError("\n".join([f"{printed(typed)} begins several ids; type more of one:", *lines, *more]))
