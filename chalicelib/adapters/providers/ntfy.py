"""ntfy: https://docs.ntfy.sh/publish/#publish-as-json"""

from __future__ import annotations

from chalicelib.logic.channel_kind import (
    Answer,
    AnswerMeaning,
    ChannelKind,
    Flag,
    HttpApi,
    Option,
    Request,
    RequestInputs,
    Secret,
    Text,
    WholeNumber,
    encoded,
    matching,
    value_at,
)
from chalicelib.logic.notification import MAX_TITLE, Notification
from chalicelib.logic.notification_text import lay_out
from chalicelib.logic.plain_text import cut, one_line
from chalicelib.logic.provider_limits import UTF_8, Limit
from chalicelib.logic.reply_link import reply_link

MESSAGE = Limit(
    "ntfy",
    "`message`",
    4_096,
    UTF_8,
    source="https://docs.ntfy.sh/publish/#limitations",
    source_read="2026-11",
    note="more would become an attached file",
)
BODY = Limit(
    "ntfy",
    "the whole JSON body",
    8_192,
    UTF_8,
    source="https://github.com/binwiederhier/ntfy/blob/main/server/server.go (`transformBodyJSON`)",
    source_read="2026-11",
    note="the server reads twice its limit of a message, else answers 413",
)
_ERRORS = "https://github.com/binwiederhier/ntfy/blob/main/server/errors.go"


def _request(notification: Notification, inputs: RequestInputs) -> Request:
    options, message_limit, body_limit = inputs.options, MESSAGE.scaled(inputs.share), BODY.scaled(inputs.share)
    reply = reply_link(notification)
    own = {
        "priority": options["priority"],
        "tags": options["tags"].split(",") if options["tags"] else None,
        "click": options["link"],
        # https://docs.ntfy.sh/publish/#open-websiteapp
        "actions": [{"action": "view", "label": "Reply", "url": reply}] if reply else None,
    }

    def body(message: str) -> bytes:
        parts = {"topic": inputs.secrets["topic"], "title": cut(one_line(notification.title), MAX_TITLE)}
        return encoded({**parts, "message": message, **{key: value for key, value in own.items() if value is not None}})

    message = lay_out(notification, lambda part: message_limit.fits(part) and body_limit.fits(body(part).decode()))
    token = {"Authorization": f"Bearer {inputs.secrets['token']}"} if options["protected"] else {}
    return Request(f"{inputs.url}/", body(message), token)


KIND = ChannelKind(
    kind="ntfy",
    provider="ntfy",
    reaches="your phone, by [ntfy.sh](https://ntfy.sh) or a server of your own",
    leaves_copies_with="the ntfy server, for 12 hours unless configured otherwise, and your devices",
    http=HttpApi(
        request=_request,
        reference=lambda answer: value_at(answer, "id"),
        error=lambda answer: value_at(answer, "code"),
        answers=(
            Answer(
                200,
                AnswerMeaning.DELIVERED,
                '{"id":"hwQ2YpKdmg","time":1635528741,"event":"message","topic":"mytopic","message":"Disk full"}',
                "the reference is its `id`",
                "https://docs.ntfy.sh/subscribe/api/",
            ),
            Answer(
                400,
                AnswerMeaning.REJECTED,
                '{"code":40014,"http":400,"error":"invalid request: attachments not allowed","link":"https://ntfy.sh/docs/config/#attachments"}',
                "longer than this server's own limit",
                _ERRORS,
                "40014",
            ),
            Answer(
                413,
                AnswerMeaning.REJECTED,
                '{"code":41303,"http":413,"error":"JSON body too large"}',
                "longer than this server's own limit",
                _ERRORS,
                "41303",
            ),
            Answer(
                401,
                AnswerMeaning.OWNER_MUST_ACT,
                '{"code":40101,"http":401,"error":"unauthorized","link":"https://ntfy.sh/docs/publish/#authentication"}',
                "the token is wrong or has expired",
                "https://docs.ntfy.sh/publish/#authentication",
                "40101",
            ),
            Answer(
                403,
                AnswerMeaning.OWNER_MUST_ACT,
                '{"code":40301,"http":403,"error":"forbidden","link":"https://ntfy.sh/docs/publish/#authentication"}',
                "the topic is protected: set `protected`, or let the token's user write to it",
                "https://docs.ntfy.sh/publish/#authentication",
                "40301",
            ),
            Answer(
                429,
                AnswerMeaning.OWNER_MUST_ACT,
                '{"code":42908,"http":429,"error":"limit reached: too many messages","link":"https://ntfy.sh/docs/publish/#limitations"}',
                "the day's messages are used up",
                "https://docs.ntfy.sh/publish/#limitations",
                "42908",
            ),
            Answer(
                429,
                AnswerMeaning.TRY_LATER,
                '{"code":42901,"http":429,"error":"limit reached: too many requests, please be nice","link":"https://ntfy.sh/docs/publish/#limitations"}',
                "too many at once",
                "https://docs.ntfy.sh/publish/#limitations",
                "42901",
                wait=60,
            ),
        ),
    ),
    address="https://ntfy.sh",
    own_address=True,
    options=(
        Option(
            "priority",
            WholeNumber(1, 5),
            "[1 to 5](https://docs.ntfy.sh/publish/#message-priority): 1 no sound, 5 rings long",
            default_doc="ntfy's: 3",
            requestable=True,
        ),
        Option(
            "tags",
            Text(
                r"[A-Za-z0-9_+-]{1,50}(,[A-Za-z0-9_+-]{1,50}){0,9}",
                "up to 10 tags, each up to 50 letters, digits, +, - and _, between commas without spaces",
            ),
            "up to 10 [tags or emojis](https://docs.ntfy.sh/publish/#tags-emojis) between commas",
            requestable=True,
        ),
        Option(
            "link",
            Text(
                r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+",
                "an address such as https://www.example.com/, without spaces, up to 512 characters",
                512,
            ),
            "opened by a tap: ntfy's [`click`](https://docs.ntfy.sh/publish/#click-action)",
            requestable=True,
        ),
        Option(
            "protected",
            Flag(),
            "`true` to send the secret `token`",
            default=False,
        ),
    ),
    secrets=(
        Secret(
            "topic",
            "the topic: whoever knows it may read and write there, so choose one that nobody guesses",
            matching(r"[-_A-Za-z0-9]{1,64}", "up to 64 of A-Z, a-z, 0-9, - and _"),
            "herald-local-topic",
        ),
        Secret(
            "token",
            "with `protected`: an [access token](https://docs.ntfy.sh/publish/#access-tokens)",
            matching(r"tk_[A-Za-z0-9]{29}", "tk_ and 29 letters and digits"),
            "tk_" + "a" * 29,
            needed=lambda channel: bool(channel.options["protected"]),
        ),
    ),
    limits=(MESSAGE, BODY),
    priorities={
        "low": {"priority": 2},
        "normal": {"priority": 3},
        "high": {"priority": 4},
        "emergency": {"priority": 5},
    },
    link_option="link",
)
