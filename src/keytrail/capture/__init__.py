"""A request becomes facts: its keys found, fingerprinted and named, what is suspicious told."""
