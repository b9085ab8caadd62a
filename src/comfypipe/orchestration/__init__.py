"""Prefect tasks, flows and blocks: one line around each execution function."""
