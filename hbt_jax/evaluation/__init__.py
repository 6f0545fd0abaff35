"""Evaluates retrievers: reads benchmarks, embeds, ranks or searches, measures, writes results and the report.

evaluator.py says what an evaluator is; evaluate.py is the whole of launch/eval.py.  Words of this package:

    system      what is evaluated: a model at a checkpoint, or BM25
    setting     monolingual, cross_lingual or multilingual; a query searches a pool of candidates in each
    result      what one system scored on one benchmark: results.json and the files beside it
    TREC run    a file with the ranking of every query, in OUT/NAME/runs
    run         of compare.py: one of several trainings of a system, with an output folder of its own
"""
