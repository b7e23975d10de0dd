"""A Flower app: federated averaging with the payloads of the book."""
