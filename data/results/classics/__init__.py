"""Classic results, re-measured: one experiment a file, with its table beside it. ../classics.py runs them all."""
