"""The parts of the synthetic shelf: what is sold, how it is packed and how photographed."""
