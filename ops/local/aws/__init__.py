"""The local AWS: the AWS emulator MiniStack (from PyPI), extended with what Herald needs and MiniStack lacks.

Start it with ``python -m ops.local.aws --port 4566``.

Each module in ``server.EXTENSIONS`` is one extension. Its docstring names the gap that it closes and the AWS page that
it follows. ``EXTENDS`` lists the parts of MiniStack that it replaces or calls, and ``install()`` applies it. The server
doesn't start if one of these parts has changed (``pin``). docs/local-stack.md lists all extensions and the remaining
differences from AWS.
"""
