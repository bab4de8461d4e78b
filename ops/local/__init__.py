"""The local stack: AWS, stand-ins for providers and the example site on one machine, and the commands to run it."""
