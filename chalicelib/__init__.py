"""Everything of Herald that runs in Lambda. ``app.py`` is the map; start there."""
