"""The reader of the journal."""
