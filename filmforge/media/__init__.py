"""Media work, from path to path: nothing here knows a film, a store or a provider."""
