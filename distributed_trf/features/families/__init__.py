"""The kinds of networks that can be heard."""
