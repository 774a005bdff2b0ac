"""Keras' names of activations, initializers, optimizers and losses, to check parameters without importing TensorFlow.

tests/test_vocabulary.py compares these lists with Keras. Losses have one name each, all others have Keras' aliases too.
These names are left out, because the autoencoders here cannot be trained with them:

- the activations glu, which halves the width of its layer and so has no mirror image, and threshold, which needs
  arguments;
- the initializers constant, which needs an argument, and stft, which is for spectrograms;
- the optimizer schedulefreeadamw: in Keras 3.15 its graph and eager modes give different weights (`fit` starts with
  wrong averages), and the averaged weights for evaluation are not accessible;
- losses for classes, segments, pairs, sequences or targets of -1 and 1, and cosine_similarity, which ignores the length
  of a row.
"""

ACTIVATIONS = (
    "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh",
    "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu",
    "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus",
    "swish", "tanh", "tanh_shrink",
)  # fmt: skip
INITIALIZERS = (
    "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "identity", "lecun_normal",
    "lecun_uniform", "normal", "one", "ones", "orthogonal", "random_normal", "random_uniform", "truncated_normal",
    "uniform", "variance_scaling", "zero", "zeros",
)  # fmt: skip
OPTIMIZERS = (
    "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "ftrl", "lion", "muon", "nadam", "rmsprop",
    "sgd",
)  # fmt: skip
LOSSES = (
    "binary_crossentropy", "binary_focal_crossentropy", "huber", "kl_divergence", "log_cosh", "mean_absolute_error",
    "mean_absolute_percentage_error", "mean_squared_error", "mean_squared_logarithmic_error", "poisson",
)  # fmt: skip
