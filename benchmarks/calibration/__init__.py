"""How often the project's 95 % intervals hold the truth, in simulated studies where it is known."""
