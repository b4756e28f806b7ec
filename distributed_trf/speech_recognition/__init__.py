"""How well networks recognise speech: word error rates on public benchmarks."""
