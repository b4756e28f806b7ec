"""Making the table of a network from its own files: which class, which modules, which frames."""
