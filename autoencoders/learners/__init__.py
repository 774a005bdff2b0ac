"""Classifiers that are fitted, not trained by steps: a module each, with one function `answers`, found by its name.

Adding one is a module here, its settings and an arm in autoencoders/arms.py, and its settings in params.yaml.
"""
