"""Scripts: shot lists and screenplays as people write them, read into shots with their lines."""
