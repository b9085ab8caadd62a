"""Latents as arrays and as files."""
