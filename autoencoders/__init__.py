"""Autoencoders for unsupervised pretraining: arrays and models in, arrays and models out.

This package knows no path, clock, environment, tracker or orchestrator, so it works in a notebook with nothing else
present. Rooms: `layers` and `models` (tied and untied stacks), `training` (the one loop), `layerwise` (greedy phases),
`labels`, `transfer` and `evaluation` (few-label classifiers with proofs), `statistics` (paired comparisons), `verdict`
(does pretraining pay, in numbers and as a sentence), `metrics`,
`projection` (PCA, maps of the codings), `idx` (the MNIST family's file format), `vocabulary` (the names Keras knows),
`errors` (with exit codes).
"""
