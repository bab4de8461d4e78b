"""The exit statuses of commands besides 0, and 2 for a command line that can't be understood."""

FAILED = 1
"""The command could not be carried out, or something is not as it should be."""
TOO_LATE = 3
"""The time to wait was over before the outcome was known."""
DIFFERENT = 4
"""``diff --exit-code``: something would change."""
