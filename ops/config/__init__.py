"""``herald.toml``: read, checked, explained. What is made of it belongs above."""
