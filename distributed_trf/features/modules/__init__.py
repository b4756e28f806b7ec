"""Networks as modules of torch, imported only where one is built."""
