"""Chalice's own commands, as somebody types them in a checkout: they work, or one sentence says what to run instead."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

pytestmark = pytest.mark.full

CHALICE = Path(sys.executable).with_name("chalice")


class Aws(BaseHTTPRequestHandler):
    """Says who asks, knows one API, and writes down what it was asked for."""

    standing = "abc123"
    asked: list[str] = []  # noqa: RUF012

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(
            200,
            "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/a</Arn>"
            "<Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>",
        )

    def do_GET(self) -> None:
        if self.path == f"/restapis/{self.standing}":
            self._answer(200, json.dumps({"id": self.standing}))
        else:
            self._answer(404, json.dumps({"message": "Invalid API identifier"}), "NotFoundException")

    def _answer(self, status: int, body: str, error: str = "") -> None:
        self.asked.append(f"{self.command} {self.path}")
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amzn-ErrorType", error)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def aws() -> Iterator[str]:
    Aws.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Aws) as server:
        Thread(target=server.serve_forever, args=(0.01,)).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def clone(tmp_path: Path, root: Path) -> Path:
    """What `git clone` gives, as far as Chalice's commands look at it; and bytecode, which only saves time."""
    clone = tmp_path / "clone"
    left = shutil.ignore_patterns("*.pyc.*", "deployed", "deployments", "policy-dev-*", "where-*")
    for name in (".chalice", "chalicelib", "ops"):
        shutil.copytree(root / name, clone / name, ignore=left)
    for name in ("app.py", "herald.toml", "requirements.txt"):
        shutil.copy(root / name, clone)
    return clone


def deployed(clone: Path, api: str) -> None:
    """Leave in the checkout what a deployment of stage dev leaves there."""
    functions = json.loads((clone / ".chalice/config.json").read_text())["stages"]["dev"]["lambda_functions"]
    for function in functions.values():
        (clone / ".chalice" / function["iam_policy_file"]).write_text('{"Version": "2012-10-17", "Statement": []}')
    (clone / ".chalice/deployed").mkdir()
    resources = [{"name": "rest_api", "resource_type": "rest_api", "rest_api_id": api}]
    record = {"resources": resources, "schema_version": "2.0", "backend": "api"}
    (clone / ".chalice/deployed/dev.json").write_text(json.dumps(record))


def chalice(clone: Path, *words: str, aws: str = "http://127.0.0.1:9") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [CHALICE, *words],
        cwd=clone,
        env={
            "PATH": "",
            "HOME": str(clone),
            "AWS_ENDPOINT_URL": aws,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "eu-central-1",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def says(clone: Path, *words: str, aws: str = "http://127.0.0.1:9") -> str:
    """What a command says that ends with an error before it has done anything."""
    ran = chalice(clone, *words, aws=aws)
    assert (ran.returncode, ran.stdout) == (1, ""), ran.stderr
    assert ran.stderr.startswith("Error: ")
    assert "Traceback" not in ran.stderr
    return ran.stderr


@pytest.mark.parametrize(
    ("words", "instead"),
    [
        (("deploy",), "Run: make deploy STAGE=dev"),
        (("deploy", "--stage", "local"), "Run: make run"),
        (("dev", "plan", "--stage=dev"), "Run: make diff STAGE=dev"),
        (("package", "out"), "Run: make deploy STAGE=dev"),
        (("delete", "--stage", "dev"), "Run: make destroy STAGE=dev"),
        (("local", "--no-autoreload", "--stage", "nowhere"), "no stage 'nowhere'; it has: dev, local"),
        (("logs", "-n", "destined"), "there is no .chalice/deployed/dev.json. Use: ./herald logs --stage dev"),
        (("url", "--stage=local"), "Use: ./herald urls --stage local"),
        (("invoke", "-n", "destined"), "Use: aws lambda invoke --function-name herald-dev-NAME"),
        (("generate-sdk", "out"), "docs/openapi.json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_in_a_fresh_clone_a_command_says_what_to_run_instead(clone: Path, words: tuple[str, ...], instead: str) -> None:
    assert instead in says(clone, *words)
    assert not (clone / ".chalice/deployed").exists()


def test_chalice_local_ends_too_where_it_loads_the_app_in_a_thread(clone: Path) -> None:
    for bytecode in [*clone.rglob("__pycache__")]:
        shutil.rmtree(bytecode)  # `chalice local` could take what is written now for a change.
    ran = chalice(clone, "local", "--stage", "nowhere")
    assert "no stage 'nowhere'; it has: dev, local" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_no_second_api_is_made_where_the_recorded_one_is_not_there(clone: Path, aws: str) -> None:
    deployed(clone, "gone")
    said = says(clone, "deploy", aws=aws)
    assert "the API that .chalice/deployed/dev.json names is not in account 123456789012, eu-central-1" in said
    assert "Run: make deploy STAGE=dev" in said
    assert Aws.asked == ["POST /", "GET /restapis/gone"]


def test_the_shell_s_account_must_be_the_stage_s(clone: Path, aws: str) -> None:
    deployed(clone, Aws.standing)
    (clone / ".chalice/where-dev.json").write_text('{"account": "210987654321", "region": "eu-central-1"}')
    assert "recorded for account 210987654321" in says(clone, "deploy", aws=aws)
    assert Aws.asked == ["POST /"]


def test_where_the_recorded_api_stands_chalice_goes_on(clone: Path, aws: str) -> None:
    deployed(clone, Aws.standing)
    ran = chalice(clone, "dev", "plan", aws=aws)
    assert "make a second one" not in ran.stderr
    assert Aws.asked[:2] == ["POST /", f"GET /restapis/{Aws.standing}"]
    assert len(Aws.asked) > 2, "Chalice looks for the rest by itself"


def test_a_command_that_reads_the_record_of_a_deployment_is_chalice_s_own(clone: Path) -> None:
    deployed(clone, Aws.standing)
    record = clone / ".chalice/deployed/dev.json"
    record.write_text(
        record.read_text().replace('"rest_api_id"', '"rest_api_url": "https://a.example/", "rest_api_id"')
    )
    ran = chalice(clone, "url")
    assert (ran.returncode, ran.stdout) == (0, "https://a.example/\n"), ran.stderr


def test_the_program_is_chalice_s_own_in_every_other_project(tmp_path: Path) -> None:
    assert chalice(tmp_path, "new-project", "logs").returncode == 0
    ran = chalice(tmp_path / "logs", "gen-policy")
    assert (ran.returncode, json.loads(ran.stdout)["Statement"]) == (0, [])
