"""What was played and what was recorded: readers of recording sets, binning of spikes, and simulation."""
