"""The composition root: settings, stores, providers and activities become workers."""
