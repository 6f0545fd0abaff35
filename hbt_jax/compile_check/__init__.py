"""Compiles the train step and the evaluator ahead of time for a TPU, and counts what the program needs and moves."""
