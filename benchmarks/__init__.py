"""What keytrail costs: beside stock instrumentation in one process, and over a million uses."""
