"""Tell the owner once a day what became of a site's messages: a program beside Herald, by the Lambda Invoke API.

    cp ../../chalicelib/adapters/herald_client.py .
    python3 report.py dev default pushover [CHANNEL]

Its role needs what the entry in README.md grants, and nothing else: it reads messages without their content.
"""

import sys
import time
from collections import Counter

from herald_client import FunctionError, Herald, NotRunError, UnknownOutcomeError

DAY = 24 * 60 * 60


def report(herald: Herald, site: str, kind: str, now: int, **channel: str) -> None:
    """Count a day's messages by their state, and tell by a channel of this kind; which one, if there are several."""
    states = Counter(str(message["state"]) for message in herald.messages(site, since=now - DAY, until=now))
    lines = [f"{number} {state}" for state, number in sorted(states.items())] or ["No messages."]
    # The same id for the same day: it is in the log of whatever handles it, and tells two reports apart.
    title, message = f"{site}: the last 24 hours", "\n".join(lines)
    herald.notify_now(kind, id=f"report-{site}-{now // DAY}", title=title, message=message, **channel)


def main(stage: str, site: str, kind: str, channel: str = "") -> int:
    now = int(time.time())
    more = {"channel": channel} if channel else {}
    try:
        report(Herald(stage, correlation_id=f"report-{now}"), site, kind, now, **more)
    except NotRunError as error:
        print(f"Nothing was sent; run me again: {error}", file=sys.stderr)
        return 75
    except FunctionError as error:
        # Its class says what to do: herald_client.py has them all.
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except UnknownOutcomeError as error:
        print(f"The phone may have rung: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
