"""How Django writes dates in English."""
