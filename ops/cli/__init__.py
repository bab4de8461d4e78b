"""The command line: reads what was typed, calls one function and prints. What a command does belongs below."""
