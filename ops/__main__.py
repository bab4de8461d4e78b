"""``./herald``, and the same as ``python -m ops``."""

import os
import sys

if not __package__:
    # Run by the path of this file, from any folder: modules are found in the checkout.
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from ops.packages import incomplete

try:
    from ops import terminal
    from ops.cli.main import main
    from ops.cli.options import PROGRAM
except ModuleNotFoundError as error:
    if not (message := incomplete(error)):
        raise
    sys.exit(f"Error: {message}")

terminal.take_over()
main(prog_name=PROGRAM)
