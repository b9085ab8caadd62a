"""Submit, wait, collect, chain: running a plan, without Prefect."""
