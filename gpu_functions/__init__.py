"""GPU functions: one literate, deployable file for each model, and what they share."""
