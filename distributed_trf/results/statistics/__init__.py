"""Tests across units, with effect sizes and intervals over sessions."""
