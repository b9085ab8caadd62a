"""Webhooks: what happened to a run, told to whoever asked for it, until they say that they know."""
