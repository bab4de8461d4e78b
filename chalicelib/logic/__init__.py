"""The rules, pure: what a valid submission is, what a notification says, what an outcome means."""
