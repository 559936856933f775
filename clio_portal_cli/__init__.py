"""The portal from a command line: a client of its REST API.

Nothing but the standard library, so that it starts at once and runs on a machine that has
neither Django nor the portal's other requirements.
"""

from __future__ import annotations

__version__ = "0.1.0"
