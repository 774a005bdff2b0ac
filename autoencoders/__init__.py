"""Autoencoders for unsupervised pretraining: arrays and models in, arrays and models out.

The package reads no path, clock or environment variable and needs no tracker or orchestrator, so it works in a notebook
on its own. Main modules: `layers` and `models` (tied and untied stacks), `training` (the training loop), `pretraining`
and `layerwise` (end to end and greedy), `labels`, `transfer` and `evaluation` (few-label classifiers with transfer
proofs), `statistics` (paired comparisons), `verdict` (does pretraining pay?), `metrics`, `projection` (PCA, t-SNE),
`idx` (MNIST's file format), `vocabulary` (names of Keras' layers and losses), `errors` (with exit codes).
"""
