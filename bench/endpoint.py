"""A local server that stands in for AWS and the providers. It answers every call at once with a fixed response.

``python -m bench.endpoint CERTIFICATE KEY`` prints ``{"http": port, "https": port}``. For each line on standard input
it prints how often each call came since the last line; it ends when standard input closes. It accepts only requests
with a ``Content-Length``, which is what SDKs send.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
from collections import Counter
from urllib.parse import unquote

_REQUEST_ID = "b25f48e8-84fd-11e6-80d9-574e0c4664cb"
_PUBLISHED = f"""<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult>
<MessageId>94f20ce6-13c5-43a0-9a9e-ca52d816e90b</MessageId></PublishResult>
<ResponseMetadata><RequestId>{_REQUEST_ID}</RequestId></ResponseMetadata></PublishResponse>"""
_DELIVERY = {
    "state": {"S": "delivered"},
    "error": {"S": ""},
    **{name: {"S": "r"} for name in ("claimed_by", "reference")},
    **{name: {"N": "1"} for name in ("attempts", "claimed_until", "next_attempt_at", "since")},
}
_ITEM = {
    "id": {"S": "message-1"},
    "site": {"S": "default"},
    "stored_by": {"S": "o"},
    **{name: {"N": "1"} for name in ("received_at", "stored_at", "expires_at")},
    "pairs": {"L": [{"L": [{"S": "message"}, {"S": "x"}]}]},
    "text": {"S": '{"fields": {"message": "x"}}'},
    "deliveries": {"M": {"pushover": {"M": _DELIVERY}}},
}
"""One item that answers every read: it holds the attributes of both items of a message
(chalicelib/adapters/message_table.py). Only the peers use ``text``."""
_XML, _JSON = "text/xml", "application/x-amz-json-1.0"


class Calls(Counter[str]):
    """Count the calls by name, and answer them."""

    def answer(self, path: str, target: str, body: bytes) -> tuple[str, int, str, bytes]:
        """Return the call's name, and the status, content type and body of the response."""
        if path.startswith("/2015-03-31/functions/"):
            if target == "Event":
                return "lambda:Invoke (Event)", 202, "", b""
            return "lambda:Invoke", 200, "application/json", b'{"status": "delivered", "reference": "reference-1"}'
        if path == "/v2/email/outbound-emails":
            return "ses:SendEmail", 200, "application/json", b'{"MessageId": "message-1"}'
        if path.endswith("/1/messages.json"):
            return "Pushover", 200, "application/json", b'{"status": 1, "request": "request-1"}'
        if path.startswith("/webhooks"):
            return "webhook", 200, "text/plain", b"ok"
        if target.startswith("AmazonSSM."):
            values = [{"Name": name, "Value": self.secret(name)} for name in json.loads(body)["Names"]]
            told = {"Parameters": values, "InvalidParameters": []}
            return "ssm:GetParameters", 200, "application/x-amz-json-1.1", json.dumps(told).encode()
        if target.startswith("DynamoDB_20120810."):
            return f"dynamodb:{target.partition('.')[2]}", 200, _JSON, self.table(target)
        return "sns:Publish", 200, _XML, _PUBLISHED.encode()

    here = ""

    def secret(self, name: str) -> str:
        if name.endswith("/url"):
            return f"{self.here}/webhooks/own"
        return f"whsec_{'QUJD' * 10}" if name.endswith("/secret") else "a1" * 15

    @staticmethod
    def table(target: str) -> bytes:
        if target.endswith(".Query"):
            return b'{"Items": [], "Count": 0, "ScannedCount": 0}'
        return json.dumps({"Item": _ITEM}).encode() if target.endswith(".GetItem") else b"{}"


class Connection(asyncio.Protocol):
    """One keep-alive connection of a client."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._got += data
        while (end := self._got.find(b"\r\n\r\n")) >= 0:
            head = self._got[:end].decode("latin-1")
            found = re.search(r"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
            length = int(found[1]) if found else 0
            if len(self._got) < end + 4 + length:
                return
            body, self._got = self._got[end + 4 : end + 4 + length], self._got[end + 4 + length :]
            self._answer(head, body)

    def _answer(self, head: str, body: bytes) -> None:
        path = unquote(head.split(" ", 2)[1])
        target = re.search(r"\r\n(?:x-amz-target|x-amz-invocation-type): *(\S+)", head, re.IGNORECASE)
        name, status, content_type, text = self._calls.answer(path, target[1] if target else "", body)
        self._calls[name] += 1
        self._transport.write(
            f"HTTP/1.1 {status} OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(text)}\r\n"
            f"x-amzn-RequestId: {_REQUEST_ID}\r\n\r\n".encode()
            + text
        )


async def _serve(certificate: str, key: str) -> None:
    calls = Calls()
    loop = asyncio.get_running_loop()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    plain = await loop.create_server(lambda: Connection(calls), "127.0.0.1", 0)
    secure = await loop.create_server(lambda: Connection(calls), "127.0.0.1", 0, ssl=context)
    ports = {"http": plain.sockets[0].getsockname()[1], "https": secure.sockets[0].getsockname()[1]}
    calls.here = f"http://127.0.0.1:{ports['http']}"
    print(json.dumps(ports), flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(calls), flush=True)
        calls.clear()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:3]))
