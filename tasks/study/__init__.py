"""The label-efficiency study: its cells and their keys, their computation in parallel processes, and the planner."""
