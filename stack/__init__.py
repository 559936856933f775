"""Runs the compose file for real and tries it: ``python -m stack test`` (make stack-test)."""
