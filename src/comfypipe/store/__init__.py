"""What is kept on disk: the ledger of runs and the artifacts, named by content."""
