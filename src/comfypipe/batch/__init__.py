"""Batches: a workflow or pipeline, run once for each row; resumable, within a budget, in bounded memory."""
