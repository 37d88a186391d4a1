"""The Grocery Store Dataset as a TensorFlow data set: `--tfds=grocery_store`."""
