"""Read, check and explain ``herald.toml``. What is generated from it belongs in templates/ and generate/."""
