"""Routes of the protocol, a file for each noun; every file defines ``ROUTES``."""
