"""Everything that runs in Lambda. Start with ``app.py``, the map."""
