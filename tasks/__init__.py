"""The stages of dvc.yaml: each reads, calls `autoencoders`, and writes its own folder under data/.

`python -m tasks.NAME [KEY]` runs one. Rooms beside the stages: `config` (params.yaml, checked), `stage` (what every
stage does alike), `progress` (epochs as they pass), `files` (arrays, models and tables on disk), `figures`.
"""

import time

from tasks import parent

STARTED = time.time()  # before any other module of the package is read
parent.follow()  # before TensorFlow is imported, which takes seconds
