"""Networks implemented here as torch modules; imported only when one is built."""
