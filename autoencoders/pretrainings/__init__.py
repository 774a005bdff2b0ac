"""Ways to pretrain: a module each, with one function `pretrain`, found by its name.

Adding one is a module here, an entry in autoencoders/arms.py, and its settings in params.yaml.
"""
