"""Work items of a study: expected, planned, submitted, resumed, recorded."""
