"""Scans: what a scanner measured, on its grid, read, brought together and written."""
