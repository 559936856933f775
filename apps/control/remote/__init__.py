"""Running commands on nodes: over SSH, or on the portal's own machine; see `run`.

Nothing is imported here: the models need its `types`, and most processes no SSH.
"""
