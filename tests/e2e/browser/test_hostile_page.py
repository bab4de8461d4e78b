"""What a page of another origin, open in its owner's browser, gets of the servers on this machine: nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from playwright.sync_api import Browser

from ops.local.ports import Ports
from tests import signed
from tests.e2e.browser.conftest import ARGUMENTS
from tests.e2e.harness import PATIENCE, Harness, marker, wait_for
from tests.e2e.pages import HTML, serving
from tests.e2e.test_commands import running as command
from tests.e2e.test_commands import shell

TOPIC = "made-by-a-page"


@pytest.fixture(scope="module")
def hostile() -> Iterator[int]:
    """The port of the page's server."""
    with serving(lambda request, body: (200, HTML, b"")) as port:
        yield port


@dataclass
class Servers:
    """The addresses of all that listens."""

    aws: str
    web: str
    inbox: str
    http_loop: str


@pytest.fixture(scope="module")
def servers(deployed: Harness, root: Path) -> Iterator[Servers]:
    ports = deployed.stack.ports
    environ = shell(ports)
    port = Ports.free().web
    with ExitStack() as stack:

        def start(*words: str) -> tuple[Any, list[str]]:
            process, lines = stack.enter_context(command(root, ["-m", "ops", *words], environ))
            stack.callback(process.wait, PATIENCE)
            stack.callback(process.terminate)
            return process, lines

        _, lines = start("inbox", "--stage", "local", "--no-browser")
        start("chalice", "local", "--stage", "local", "--port", str(port))
        printed = wait_for(lambda: re.search(r"(http://127\.0\.0\.1:\d+)/open\?token=\S+", "".join(lines)), "inbox")
        http_loop = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(f"{http_loop}/health"), "answer of chalice local", seconds=60)
        yield Servers(ports.aws_url, ports.web_url, printed[1], http_loop)


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=60).ok
    except requests.ConnectionError:
        return False


def link(servers: Servers, keys: Credentials, path: str, service: str) -> str:
    request = AWSRequest("GET", servers.aws + path)
    SigV4QueryAuth(keys, service, "us-east-1").add_auth(request)
    return str(request.url)


ATTACK = """
async ([urls, sockets]) => {
  const seen = [];
  const tries = [
    {}, {mode: 'no-cors'}, {credentials: 'include'},
    {method: 'POST', body: '{"faults": []}'}, {method: 'POST', mode: 'no-cors', body: 'Action=CreateTopic&Name=TOPIC'},
    {method: 'POST', headers: {'Content-Type': 'application/x-www-form-urlencoded'},
     body: 'Action=CreateTopic&Name=TOPIC'},
    {method: 'PUT', headers: {'Content-Type': 'application/json'}, body: '{"faults": []}'}, {method: 'DELETE'},
    {method: 'POST', headers: {'X-Amz-Target': 'AmazonSSM.DescribeParameters'}, body: '{}'},
  ];
  const loaded = (element) => new Promise(done => {
    element.onload = () => { seen.push(`loaded ${element.tagName} ${element.src}`); done(); };
    element.onerror = done;
    document.body.append(element);
    setTimeout(done, 1000);
  });
  for (const url of urls) {
    await Promise.all(tries.map(async (options) => {
      try { const answer = await fetch(url, options); seen.push(await answer.text()); } catch {}
    }));
    navigator.sendBeacon(url, 'Action=CreateTopic&Name=TOPIC');
    for (const name of ['img', 'script']) {
      await loaded(Object.assign(document.createElement(name), {src: url}));
    }
    const frame = Object.assign(document.createElement('iframe'), {name: 'frame'});
    document.body.append(frame);
    for (const method of ['get', 'post']) {
      const form = Object.assign(document.createElement('form'), {action: url, method, target: 'frame'});
      const sent = new Promise(done => { frame.onload = done; setTimeout(done, 1000); });
      document.body.append(form);
      form.submit();
      await sent;
      form.remove();
    }
    try { seen.push(frame.contentWindow.document.body.innerText); } catch {}
    frame.remove();
  }
  for (const url of sockets) {
    await new Promise(done => {
      const socket = new WebSocket(url);
      socket.onopen = () => { seen.push(`open ${url}`); socket.close(); done(); };
      socket.onerror = done;
    });
  }
  return seen.filter(text => text);
}
""".replace("TOPIC", TOPIC)


def targets(herald: Harness, servers: Servers) -> list[str]:
    """What is worth asking for, also with links that somebody signed who may, and whom the page has overheard."""
    create = f"/?Action=CreateTopic&Name={TOPIC}&Version=2010-03-31"
    right, guessed = signed.root(servers.aws), Credentials("test", "test")
    return [
        servers.aws + "/_ministack/ses/messages",
        servers.aws + "/_ministack/reset",
        servers.aws + "/2015-03-31/functions",
        servers.aws + create,
        *(link(servers, keys, create, "sns") for keys in (right, guessed)),
        *(link(servers, keys, "/2015-03-31/functions", "lambda") for keys in (right, guessed)),
        servers.web + "/phone/messages.json",
        servers.web + "/pushover/_control",
        servers.web + "/_herald/api",
        servers.web + "/webhooks/messages.json",
        servers.inbox + "/",
        servers.inbox + "/replay",
    ]


def state(herald: Harness) -> dict[str, Any]:
    """What a page must not change."""
    account = herald.account
    return {
        "topics": sorted(topic["TopicArn"] for topic in account.sns.list_topics()["Topics"]),
        "functions": sorted(function["FunctionName"] for function in account.functions.list_functions()["Functions"]),
        "provider": herald.counted("pushover")["pending"],
        "api": requests.get(f"{herald.stack.ports.web_url}/_herald/health", timeout=60).json(),
    }


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_page_of_another_origin_reads_and_changes_nothing(
    browser: Browser, herald: Harness, servers: Servers, hostile: int, host: str
) -> None:
    word = marker()
    assert herald.post_form(message=word).ok
    wait_for(lambda: herald.pushes(word), "push")
    herald.faults({"do": "status", "status": 500})
    before = state(herald)
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"http://{host}:{hostile}/")
    urls = targets(herald, servers)
    sockets = [url.replace("http:", "ws:", 1) for url in (*vars(servers).values(), urls[3])]

    read = page.evaluate(ATTACK, [urls, sockets])

    assert read == []
    # Links, whose answer the page that opened them can't read.
    for url in urls:
        with context.expect_page() as opened:
            page.evaluate("url => { open(url) }", url)
        opened.value.wait_for_load_state()
        opened.value.close()
    context.close()
    assert state(herald) == before
    assert herald.pushes(word)


def test_a_name_that_leads_to_this_machine_is_refused_by_every_server(
    chromium: str, browser: Browser, servers: Servers
) -> None:
    arguments = [*ARGUMENTS, "--host-resolver-rules=MAP rebound.example 127.0.0.1"]
    rebound = browser.browser_type.launch(executable_path=chromium, args=arguments)
    page = rebound.new_page()
    paths = {"aws": "/_ministack/health", "web": "/phone/messages.json", "inbox": "/", "http_loop": "/health"}
    for name, address in vars(servers).items():
        answer = page.goto(address.replace("127.0.0.1", "rebound.example") + paths[name])
        assert answer is not None
        assert (name, answer.status) == (name, 400)
        assert answer.text() == "This server answers to 127.0.0.1 and localhost only.\n"
    rebound.close()


def test_what_is_for_pages_is_open_to_them(browser: Browser, herald: Harness, servers: Servers, hostile: int) -> None:
    page = browser.new_page()
    page.goto(f"http://localhost:{hostile}/")
    for api in (herald.urls["api"], servers.http_loop):
        # The app's own rules, as on AWS; on stage local they let every page of this machine send.
        with page.expect_navigation():
            page.evaluate(
                "url => { document.body.innerHTML = `<form method=post action=${url}><input name=message value=Hello>`;"
                " document.forms[0].submit() }",
                f"{api}/contact",
            )
        assert page.url == herald.stage.sites["default"].thanks
        page.goto(f"http://localhost:{hostile}/")
    with page.expect_navigation() as sent:
        page.evaluate("url => { location = url }", herald.urls["send_event"])
    assert sent.value.status == 200
    page.close()
