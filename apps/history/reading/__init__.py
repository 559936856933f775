"""From stored rows to buckets."""
