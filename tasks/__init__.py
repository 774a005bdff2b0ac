"""The stages of dvc.yaml: each reads, calls `autoencoders`, and writes its own folder under data/.

`python -m tasks.NAME [KEY]` runs one. Beside the stages: `frame` (what every stage stands on), `sources` (where data
come from), `study` (the label-efficiency study's cells), `reporting` (what people read), `tracking` (MLflow).
"""

import time

from tasks.frame import parent

STARTED = time.time()  # before any other module of the package is read
parent.follow()  # before TensorFlow is imported, which takes seconds
