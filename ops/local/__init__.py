"""The local stack: AWS, Pushover and the example site on one machine."""
