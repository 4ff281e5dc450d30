"""Tell me when, as people see it: whose rules they are, what is asked of the collector, what was told, the feed."""
