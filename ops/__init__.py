"""What a person runs at a terminal; nothing of it is shipped to Lambda."""
