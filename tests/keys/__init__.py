"""Keys never appear in anything that is written or answered."""
