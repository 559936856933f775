"""Samples ↔ bytes: lossless for whole numbers, to the metric's resolution for floats."""
