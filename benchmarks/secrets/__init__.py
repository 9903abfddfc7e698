"""Made-up credentials, where they stand, and what only looks like one: the set behind `quality_secrets`."""
