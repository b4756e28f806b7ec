"""Where weights come from, and the controls made of them."""
