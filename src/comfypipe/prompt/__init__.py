"""The prompt: API-format graph, what a server offers, and whether the two fit."""
