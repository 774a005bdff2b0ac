"""Speed of the training engine compared with its peers and with the machine's limit: `make bench`."""
