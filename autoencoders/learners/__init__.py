"""Fitted scikit-learn classifiers: each module has a function `answers`, and is loaded by its name.

To add one, write a module here, add its settings and an arm to autoencoders/arms.py, and its settings to params.yaml.

A module may also have a function `shared(x, rows, **needed)`: the work that does not depend on the settings that are
tuned, such as a kernel or distances. Its result is the argument `shared` of `answers` for the same x and rows, with any
labels and settings but those named in `needed`. The answers are the same to the bit with it and without it. A module
without this function has nothing to share. sharing.py calls it.
"""
