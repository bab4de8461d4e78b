"""Run a command, and notify the owner if it fails: for a crontab.

    cp ../../chalicelib/adapters/herald_client.py .
    python3 watch.py dev backup -- /usr/local/bin/backup --all

Its exit status is the command's, and its output too. Of one day and name the phone rings once.
"""

import platform
import subprocess
import sys
import time

from herald_client import CallError, Herald

LAST = 2_000
"""Characters of the output that the notification has."""


def main(stage: str, name: str, *command: str) -> int:
    try:
        ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        output, status = ran.stdout, ran.returncode
    except OSError as error:
        # The status of a shell: 127 where the command is missing, 126 where it can't be run.
        output, status = f"{command[0]}: {error.strerror}\n", 127 if isinstance(error, FileNotFoundError) else 126
    sys.stdout.write(output)
    if status:
        title = f"{name} failed on {platform.node()}"
        message = output.strip()[-LAST:] or f"It said nothing; status {status}."
        try:
            Herald(stage).notify(title, message, priority="high", key=f"{name} {time.strftime('%Y-%m-%d')}")
        except CallError as error:
            # cron mails what a program prints, so the failure is heard even so.
            print(f"The owner was not notified: {error}", file=sys.stderr)
    return status


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if len(arguments) < 4 or arguments[2] != "--":
        sys.exit("usage: watch.py STAGE NAME -- COMMAND…")
    sys.exit(main(*arguments[:2], *arguments[3:]))
