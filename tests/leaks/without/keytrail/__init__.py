"""Stands before the real package on the path of a service that runs without keytrail."""
