"""Providers that bring a notification to its owner, one module each; no AWS service but SES, and no handler."""
