"""The pages for people: who looks at them, what they show, and what is decided there."""
