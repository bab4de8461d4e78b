"""Forms and scripts that nobody here wrote, each run in a browser against the real app: README.md."""

import pytest

pytest.register_assert_rewrite("tests.forms.visit")
