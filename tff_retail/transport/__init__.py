"""How bytes travel between headquarters and its stores; no TensorFlow."""
