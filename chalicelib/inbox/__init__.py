"""The pages of the inbox: their words, values and templates. It knows no server, no AWS and no session."""
