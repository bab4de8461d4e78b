"""``python -m ops.local.aws.pinned_parts``: the source of each part of MiniStack that is extended, as JSON.

With ``--write`` their fingerprints are kept instead. docs/ministack-pin.md
"""

from __future__ import annotations

import json
import sys

from ops.local.aws import server
from ops.local.aws.pin import FINGERPRINTS, fingerprint, source


def _source_or_none(part: str) -> str | None:
    try:
        return source(part)
    except (AttributeError, ImportError):
        return None


def main() -> None:
    """Print the source of each extended part as JSON, or with ``--write`` keep their fingerprints."""
    parts = server.extended_parts()
    if "--write" in sys.argv[1:]:
        FINGERPRINTS.write_text(json.dumps({part: fingerprint(part) for part in parts}, indent=1) + "\n")
    else:
        extensions = {server.name_of(module): module.EXTENDS for module in server.extending_modules()}
        sources = {part: _source_or_none(part) for part in parts}
        json.dump({"extensions": extensions, "sources": sources}, sys.stdout)


if __name__ == "__main__":
    main()
