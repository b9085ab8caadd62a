"""``python -m comfypipe``."""

from comfypipe.cli.main import main

main()
