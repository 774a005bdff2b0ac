"""The names that Keras knows, as data: parameters are checked against them without importing TensorFlow.

`tests/test_vocabulary.py` holds these lists against Keras itself. One name each for a loss; for the rest Keras' second
names too. Left out, because no autoencoder here can be trained with them:

- the activations glu, which halves the width of its layer, so that no mirror image of it exists, and threshold, which
  needs numbers beside its name;
- the initializers constant, which needs a number too (zeros and ones do not), and stft, which is for spectrograms;
- the optimizer schedulefreeadamw: in Keras 3.15 its graph and eager modes give different weights (`fit` starts it from
  wrong averages), and the weights that it would evaluate cannot be had;
- losses of classes, of segments, of pairs, of sequences, of targets -1 and 1, and cosine_similarity, which is blind to
  the length of a row.
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
