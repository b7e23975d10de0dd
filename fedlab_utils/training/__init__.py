"""Keras models, trained: the compiled graphs of a cohort, and training in one place. Its modules import TensorFlow."""
