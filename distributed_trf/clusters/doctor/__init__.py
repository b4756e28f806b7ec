"""What may be wrong with a machine or a site before a study runs there."""
