"""The Freiburg Groceries Dataset as a TensorFlow data set: `--tfds=freiburg_groceries`."""
