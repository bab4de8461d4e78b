"""moto's server as a second AWS beside the local stack: ``python -m tests.second_aws 5055``.

moto judges by other people's reading of AWS what MiniStack judges too: Chalice's calls, IAM's documents, the import of
the REST API, what a stack changes. It runs no function and asks IAM for nothing.
"""

from __future__ import annotations

import re
import sys
import warnings

from moto.core.config import default_user_config
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from tests.second_aws.gaps import Gaps, add_conditions, add_deletions


class _Quiet(MotoRequestHandler):
    def log_request(self, *_: object) -> None:
        pass


def main(port: int) -> None:
    """Serve on 127.0.0.1 until the process is ended."""
    skipped: set[str] = set()

    def note(message: Warning | str, *_: object, **__: object) -> None:
        named = re.search(r"parse (\S+) but it's not supported", str(message))
        if "was never created" not in str(message):  # Of what was skipped before.
            skipped.add(named[1] if named else str(message))

    warnings.simplefilter("always")
    warnings.showwarning = note
    default_user_config["lambda"]["use_docker"] = False
    add_deletions()
    add_conditions()
    app = Gaps(DomainDispatcherApplication(create_backend_app), skipped)
    with make_server("127.0.0.1", port, app, threaded=True, request_handler=_Quiet) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
