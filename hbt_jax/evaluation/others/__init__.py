"""Systems that are not models of this package: a TREC run, vectors in files, a sentence-transformers model.

Each is an `Evaluator` of a benchmark in memory, so ranks, language bias, robustness, intervals, files and report are
those of a model of this package.
"""
