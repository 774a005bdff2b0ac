"""Ways to pretrain: each module has one function, `pretrain`, and is loaded by its name.

To add one, write a module here, add an entry to autoencoders/arms.py, and its settings to params.yaml.
"""
