"""The runs API, self-hosted: what ComfyICU's clients talk to, in one process."""
