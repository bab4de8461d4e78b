"""Errors that end a command with a message for the person who typed it, and no traceback."""


class OpsError(Exception):
    """What went wrong and what to do about it, in words for a terminal."""
