"""Run bench/endpoint.py as a separate process, with a certificate made for this run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType

import botocore


class Endpoint:
    """The running endpoint. Use it in a ``with`` block."""

    def __init__(self, root: Path, work: Path) -> None:
        self._root = root
        self._work = work

    def __enter__(self) -> Endpoint:
        certificate, key = self._certified()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.endpoint", str(certificate), str(key)],
            cwd=self._root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        ports = self._answer()
        self.http = f"http://127.0.0.1:{ports['http']}"
        self.https = f"https://127.0.0.1:{ports['https']}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(timeout=10)

    def calls(self) -> dict[str, int]:
        """Return how often each call came since the last time this was called."""
        assert self._process.stdin is not None
        print(file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, int]:
        assert self._process.stdout is not None
        told: dict[str, int] = json.loads(self._process.stdout.readline())
        return told

    def _certified(self) -> tuple[Path, Path]:
        """Make a certificate for 127.0.0.1, signed by an authority of this run. Return its file and its key's.

        ``bundle``, for AWS_CA_BUNDLE, holds that authority and all that botocore trusts. Reading it takes as long as it
        takes a client of AWS.
        """
        openssl = shutil.which("openssl")
        if openssl is None:
            raise SystemExit("There is no openssl on this machine, which makes the run's certificate.")
        folder = self._work / "tls"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        self._openssl(
            openssl, "req", "-x509", *made, "-subj", "/CN=Herald bench", "-keyout", "ca.key", "-out", "ca.pem",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign",
        )  # fmt: skip
        self._openssl(
            openssl, "req", "-x509", *made, "-subj", "/CN=127.0.0.1", "-keyout", "key.pem", "-out", "certificate.pem",
            "-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "subjectAltName=IP:127.0.0.1",
            "-addext", "basicConstraints=critical,CA:FALSE",
        )  # fmt: skip
        trusted = Path(botocore.__file__).with_name("cacert.pem").read_bytes()
        self.bundle = folder / "bundle.pem"
        self.bundle.write_bytes(trusted + b"\n" + (folder / "ca.pem").read_bytes())
        return folder / "certificate.pem", folder / "key.pem"

    def _openssl(self, *command: str) -> None:
        ran = subprocess.run(command, cwd=self._work / "tls", capture_output=True, text=True, check=False, timeout=60)
        if ran.returncode:
            raise SystemExit(f"openssl failed:\n{ran.stderr}")
