"""Plans: what will run, checked and named by its content before anything is submitted."""
