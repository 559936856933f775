"""What is kept of a minute, an hour, a day: count, minimum, maximum, last, total."""
