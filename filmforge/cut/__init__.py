"""The cut: which frames of which take the film shows, and how it goes from one to the next."""
