"""Every generated file, and the check that it is current. It asks no account and knows no command line."""
