"""FilmForge turns a list of shots into a finished film and never pays twice for the same work."""
