"""What stands in for cupy and torch's GPU is never imported into the tests' own process: only into ones they start."""

collect_ignore = ["path", "make_table.py", "run_budgets.py", "run_card.py", "run_families.py", "run_mathematics.py"]
