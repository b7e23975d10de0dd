"""Federated learning: the simulation, its account and history, and what it is held against."""
