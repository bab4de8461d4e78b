"""``./herald``, and the same as ``python -m ops``."""

import os
import signal
import sys

# Ctrl-C while modules are loaded ends the process as a signal does, without a traceback. A job in the background, whose
# shell ignores it, goes on ignoring it.
at_interrupt = signal.getsignal(signal.SIGINT)
if at_interrupt is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

if not __package__:
    # Run by the path of this file, from any folder: modules are found in the checkout.
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

try:
    from ops import terminal
    from ops.cli.main import main
    from ops.cli.options import PROGRAM
except ModuleNotFoundError as error:
    from ops.packages import incomplete

    if not (message := incomplete(error)):
        raise
    sys.exit(f"Error: {message}")

terminal.take_over()
signal.signal(signal.SIGINT, at_interrupt)
main(prog_name=PROGRAM)
