"""Files from the network: fetched under guard, cached by content, put in place whole."""
