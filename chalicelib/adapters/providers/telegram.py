"""Telegram's Bot API: https://core.telegram.org/bots/api#sendmessage

Only the shape of an answer is documented, and that its words may change: https://core.telegram.org/bots/api#making-requests
The words are those of its source and of https://github.com/TelegramBotAPI/errors.
"""

from __future__ import annotations

from typing import Any

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
from chalicelib.logic.provider_limits import UTF_16, Limit

TEXT = Limit(
    "Telegram",
    "`text`, title included",
    4_096,
    UTF_16,
    source="https://core.telegram.org/bots/api#sendmessage",
    source_read="2026-11",
    note="“after entities parsing”: there is none; the larger of what “characters” may mean",
)
_SHAPE = "https://core.telegram.org/bots/api#making-requests"
_SEEN = "https://github.com/TelegramBotAPI/errors"
_SERVER = "https://github.com/tdlib/telegram-bot-api/tree/master/telegram-bot-api"
_TDLIB = "https://github.com/tdlib/td/blob/master/td/telegram/MessageContent.cpp"


def _request(notification: Notification, inputs: RequestInputs) -> Request:
    # There is no title. Without a parse mode, nothing that a visitor typed is markup.
    title = f"{cut(one_line(notification.title), MAX_TITLE)}\n\n"
    limit, options = TEXT.scaled(inputs.share), inputs.options
    body: dict[str, object] = {
        "chat_id": inputs.secrets["chat_id"],
        "text": title + lay_out(notification, lambda part: limit.fits(title + part)),
        "link_preview_options": {"is_disabled": True},
    }
    if options["silent"]:
        body["disable_notification"] = True
    if options["thread"] is not None:
        body["message_thread_id"] = options["thread"]
    if options["link"] is not None:
        button = {"text": options["link_title"] or options["link"][:64], "url": options["link"]}
        body["reply_markup"] = {"inline_keyboard": [[button]]}
    return _call(inputs, "sendMessage", body)


def _check(inputs: RequestInputs) -> Request:
    """https://core.telegram.org/bots/api#getchat"""
    return _call(inputs, "getChat", {"chat_id": inputs.secrets["chat_id"]})


def _call(inputs: RequestInputs, method: str, body: dict[str, object]) -> Request:
    return Request(f"{inputs.url}/bot{inputs.secrets['token']}/{method}", encoded(body))


def _refusal(status: int, meaning: AnswerMeaning, error: str, doc: str, source: str) -> Answer:
    return Answer(status, meaning, f'{{"ok":false,"error_code":{status},"description":"{error}"}}', doc, source, error)


ANSWERS = (
    Answer(
        200,
        AnswerMeaning.DELIVERED,
        '{"ok":true,"result":{"message_id":42,"date":1635528741,"chat":{"id":123456789,"type":"private"},"text":"Hi"}}',
        "the reference is its `message_id`",
        _SHAPE,
    ),
    _refusal(400, AnswerMeaning.REJECTED, "Bad Request: message is too long", "its limit may have changed", _TDLIB),
    _refusal(
        400,
        AnswerMeaning.OWNER_MUST_ACT,
        "Bad Request: chat not found",
        "write to the bot once, or add it to the group; else mend `chat_id`",
        _SEEN,
    ),
    Answer(
        400,
        AnswerMeaning.OWNER_MUST_ACT,
        '{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat",'
        '"parameters":{"migrate_to_chat_id":-100123456789}}',
        "the group has a new `chat_id`",
        _SERVER,
        "Bad Request: group chat was upgraded to a supergroup chat",
    ),
    _refusal(401, AnswerMeaning.OWNER_MUST_ACT, "Unauthorized", "the token was revoked", _SEEN),
    _refusal(403, AnswerMeaning.OWNER_MUST_ACT, "Forbidden: bot was blocked by the user", "unblock the bot", _SEEN),
    _refusal(
        403, AnswerMeaning.OWNER_MUST_ACT, "Forbidden: bot was kicked from the group chat", "add the bot again", _SEEN
    ),
    _refusal(404, AnswerMeaning.OWNER_MUST_ACT, "Not Found", "the token is none", _SERVER),
    Answer(
        429,
        AnswerMeaning.TRY_LATER,
        '{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 35",'
        '"parameters":{"retry_after":35}}',
        "too many at once",
        "https://core.telegram.org/bots/api#responseparameters",
        "Too Many Requests",
        wait=35,
    ),
)


def _mistakes(values: Any) -> dict[str, str]:
    return {"link_title": "only with link"} if values["link_title"] and not values["link"] else {}


KIND = ChannelKind(
    kind="telegram",
    provider="Telegram",
    reaches="a chat, group or channel of [Telegram](https://telegram.org)",
    leaves_copies_with="Telegram, and the members of the chat",
    http=HttpApi(
        request=_request,
        reference=lambda answer: value_at(answer, "ok") is True and value_at(answer, "result", "message_id"),
        error=lambda answer: value_at(answer, "description"),
        wait=lambda answer: value_at(answer, "parameters", "retry_after"),
        check=_check,
        answers=ANSWERS,
    ),
    address="https://api.telegram.org",
    options=(
        Option("silent", Flag(), "`true` for a notification without sound", default=False, requestable=True),
        Option(
            "link",
            Text(
                r"https?://[!-~]+", "an http:// or https:// address in ASCII, without spaces, up to 512 characters", 512
            ),
            "`http://` or `https://`, up to 512 characters: a button below the message",
            requestable=True,
        ),
        Option(
            "link_title",
            Text(r"(?!\s)[^\x00-\x1f\x7f-\x9f]{1,64}", "one line of up to 64 characters", 64),
            "up to 64 characters on the button. Only with `link`",
            default_doc="the link itself",
            requestable=True,
        ),
        Option("thread", WholeNumber(1, 2**53), "the id of a topic of a group with topics", requestable=True),
    ),
    secrets=(
        Secret(
            "token",
            "the token that [@BotFather](https://core.telegram.org/bots#how-do-i-create-a-bot) gave your bot",
            matching(r"[0-9]{6,20}:[A-Za-z0-9_-]{30,60}", "digits, a colon, and about 35 letters, digits, - and _"),
            "123456789:" + "A" * 35,
        ),
        Secret(
            "chat_id",
            "the id of the chat, negative for a group, or a channel's @name",
            matching(r"-?[0-9]{1,19}|@[A-Za-z][A-Za-z0-9_]{3,31}", "a number, or @ and a name"),
            "987654321",
        ),
    ),
    limits=(TEXT,),
    priorities={
        "low": {"silent": True},
        "normal": {"silent": False},
        "high": {"silent": False},
        "emergency": {"silent": False},
    },
    link_option="link",
    mistakes=_mistakes,
)
