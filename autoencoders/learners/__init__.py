"""Fitted scikit-learn classifiers: each module has one function, `answers`, and is loaded by its name.

To add one, write a module here, add its settings and an arm to autoencoders/arms.py, and its settings to params.yaml.
"""
