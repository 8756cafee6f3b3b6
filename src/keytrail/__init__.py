"""keytrail."""
