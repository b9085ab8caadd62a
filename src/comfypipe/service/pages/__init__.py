"""The service's web page: workflows, their runs, and forms to run them."""
