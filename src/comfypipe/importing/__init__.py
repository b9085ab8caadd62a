"""UI graphs, pictures and API exports become workflows and manifests."""
