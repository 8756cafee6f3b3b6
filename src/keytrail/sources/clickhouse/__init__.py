"""ClickHouse as a source: the table of the Collector's exporter, as it is."""
