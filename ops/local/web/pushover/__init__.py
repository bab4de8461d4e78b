"""A stand-in for Pushover that answers as its documentation says (https://pushover.net/api)."""
