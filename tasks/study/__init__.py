"""The label-efficiency study: its cells, what each depends on, how they are divided over processes, the planner."""
