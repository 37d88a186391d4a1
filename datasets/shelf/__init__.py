"""The parts of the synthetic shelf: what is sold, what it is packed in, and how it is photographed."""
