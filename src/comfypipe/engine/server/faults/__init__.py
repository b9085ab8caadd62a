"""Faults of real servers, played on request: what a client must survive, and what tests make sure that it does."""
