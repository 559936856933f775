"""The whole stack as processes of one machine, and what happens when its parts are killed."""
