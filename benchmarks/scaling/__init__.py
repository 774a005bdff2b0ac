"""What a study costs on many machines: measured on few, and simulated for many."""
