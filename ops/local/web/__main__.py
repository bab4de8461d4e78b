"""``python -m ops.local.web``."""

from ops.local.web.server import main

if __name__ == "__main__":
    raise SystemExit(main())
