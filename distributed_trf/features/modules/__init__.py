"""Networks that are written here, as modules of torch; imported only where one is built."""
