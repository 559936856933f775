"""As the portal's own pages, with the name of the zone."""

DATETIME_FORMAT = "j M Y, H:i:s T"
DATE_FORMAT = "j M Y"
