"""The demo: real services, real requests, and a report that is checked against what was sent."""
