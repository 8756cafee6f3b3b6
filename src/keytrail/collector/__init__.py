"""The Collector plugin: configuration for one Collector or another, and what it journaled."""
