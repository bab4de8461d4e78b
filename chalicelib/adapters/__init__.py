"""The outside services, one module each; every call has a time limit and raises an error of ours."""
