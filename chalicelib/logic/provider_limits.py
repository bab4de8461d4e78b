"""The providers' limits, each in the provider's own unit. docs/channels/limits.md shows this table.

``notification_text.py`` cuts texts to them. The stand-ins of the local stack measure by themselves and never read this.
"""

from __future__ import annotations

from typing import NamedTuple


class Limit(NamedTuple):
    """The limit of one part of a request."""

    provider: str
    part: str
    most: int
    unit: str
    """What is counted: one of the three below."""
    margin: int
    """The part of ``most`` that is left free."""
    source: str
    read: str
    """When the source was read."""
    why: str = ""

    @property
    def usable(self) -> int:
        return self.most - self.margin

    def fits(self, text: str) -> bool:
        """Whether a text, as it is sent, is within ``room``."""
        return _size(text, self.unit) <= self.usable


CHARACTERS, UTF_16, UTF_8 = "characters (code points)", "UTF-16 units", "bytes of UTF-8"


def _size(text: str, unit: str) -> int:
    if unit == UTF_8:
        return len(text.encode(errors="replace"))
    beyond = sum(character > "\uffff" for character in text) if unit == UTF_16 else 0
    return len(text) + beyond


_PUSHOVER = "https://pushover.net/api#limits"
_SEEN = "2026-11"

PUSHOVER_TITLE = Limit("Pushover", "title", 250, CHARACTERS, 0, _PUSHOVER, _SEEN)
PUSHOVER_MESSAGE = Limit("Pushover", "message", 1024, CHARACTERS, 0, _PUSHOVER, _SEEN, "“4-byte UTF-8 characters”")
PUSHOVER_LINK = Limit(
    "Pushover", "link (`url`)", 512, CHARACTERS, 0, _PUSHOVER, _SEEN, "never cut: refused by `render`"
)
PUSHOVER_LINK_TITLE = Limit("Pushover", "`link_title`", 100, CHARACTERS, 0, _PUSHOVER, _SEEN)
SLACK_TEXT = Limit(
    "Slack",
    "`text`, escaped, title included",
    4_000,
    UTF_16,
    0,
    "https://api.slack.com/changelog/2018-04-truncating-really-long-messages",
    _SEEN,
    "longer ones may be broken into several; the larger of what “characters” may mean",
)
DISCORD_CONTENT = Limit(
    "Discord",
    "`content`, escaped, title included",
    2_000,
    UTF_16,
    0,
    "https://discord.com/developers/docs/resources/webhook#execute-webhook",
    _SEEN,
    "the larger of what “characters” may mean",
)
TEAMS_CARD = Limit(
    "Teams",
    "the card, as JSON escaped within JSON",
    28_672,
    UTF_8,
    1_672,
    "https://github.com/MicrosoftDocs/msteams-docs/issues/11274",
    "2026-11-28",
    "the workflow answers 202 and fails afterwards; Teams adds properties of its own. Counted with each letter outside"
    " of ASCII as `\\uXXXX`, the largest that it can be",
)
NTFY_MESSAGE = Limit(
    "ntfy",
    "`message`",
    4_096,
    UTF_8,
    0,
    "https://docs.ntfy.sh/publish/#limitations",
    _SEEN,
    "more would become an attached file",
)
NTFY_BODY = Limit(
    "ntfy",
    "the whole JSON body",
    8_192,
    UTF_8,
    0,
    "https://github.com/binwiederhier/ntfy/blob/main/server/server.go (`transformBodyJSON`)",
    _SEEN,
    "the server reads twice its limit of a message, else answers 413",
)
SES_LINE = Limit(
    "Amazon SES",
    "a line of either part",
    998,
    UTF_8,
    18,
    "https://www.rfc-editor.org/rfc/rfc5322#section-2.1.1",
    _SEEN,
    "broken at a space; the margin holds the marks of a line",
)
SES_SUBJECT = Limit(
    "Amazon SES",
    "the subject",
    500,
    UTF_8,
    0,
    "https://www.rfc-editor.org/rfc/rfc2047#section-2",
    _SEEN,
    "as encoded words it is below 998 octets even on one line",
)
SES_MAIL = Limit(
    "Amazon SES",
    "the whole mail",
    40 * 1024 * 1024,
    UTF_8,
    0,
    "https://docs.aws.amazon.com/ses/latest/dg/quotas.html",
    _SEEN,
    "never reached: a form is 64 KiB at most",
)
STANDARD = Limit(
    "webhook, `standard`",
    "body",
    0,
    UTF_8,
    0,
    "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#payload-size",
    _SEEN,
    "none: nothing is cut. A form is 64 KiB at most",
)

LIMITS = (
    PUSHOVER_TITLE,
    PUSHOVER_MESSAGE,
    PUSHOVER_LINK,
    PUSHOVER_LINK_TITLE,
    SLACK_TEXT,
    DISCORD_CONTENT,
    TEAMS_CARD,
    NTFY_MESSAGE,
    NTFY_BODY,
    SES_LINE,
    SES_SUBJECT,
    SES_MAIL,
    STANDARD,
)
