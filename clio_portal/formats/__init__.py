"""How Django writes dates, by language; see FORMAT_MODULE_PATH."""
