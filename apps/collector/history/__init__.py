"""From what is collected into the history.

A round stores what it brought in its own transaction: system samples as `SampleChunk`
rows, the other figures as one `PendingFigures` row. The feed moves both into the history
every few seconds, or, where that costs much, once a minute. It can be killed at any point:
the history takes the same sample twice without harm, and positions move only after it.
"""
