"""What the training engine costs beside its peers, and what the machine allows: `make bench`."""
