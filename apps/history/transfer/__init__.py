"""Samples out of and into files."""
