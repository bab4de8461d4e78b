"""Print the source of each extended part of MiniStack as JSON: ``python -m ops.local.aws.pinned_parts``.

With ``--write``, write their fingerprints to ``fingerprints.json`` instead. See docs/ministack-pin.md.
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
    """Print the source of each extended part, or write the fingerprints with ``--write``.

    The JSON has ``extensions`` (parts by extension) and ``sources`` (source by part, null if the part doesn't exist).
    """
    parts = server.extended_parts()
    if "--write" in sys.argv[1:]:
        FINGERPRINTS.write_text(json.dumps({part: fingerprint(part) for part in parts}, indent=1) + "\n")
    else:
        extensions = {server.name_of(module): module.EXTENDS for module in server.extending_modules()}
        sources = {part: _source_or_none(part) for part in parts}
        json.dump({"extensions": extensions, "sources": sources}, sys.stdout)


if __name__ == "__main__":
    main()
