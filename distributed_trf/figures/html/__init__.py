"""Reports: one HTML file of a study or of a session, which needs nothing beside it."""
