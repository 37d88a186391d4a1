"""What is learned: models, processes, aggregators, optimisers. Pure TFF and Keras."""
