"""Values that options take by name, and other constants that options and the code behind them share."""

JOINT = "joint"
BATCHINGS = ("hybrid", "x-x-mono", "x-x", "x-y", JOINT)
POOLINGS = ("mean", "cls")
TRACKERS = ("wandb", "mlflow")
SCHEDULES = ("linear", "cosine", "constant")
DTYPES = ("float32", "bfloat16")
REMATS = ("none", "dots", "full")
ATTENTIONS = AUTO, XLA, SPLASH, CUDNN = "auto", "xla", "splash", "cudnn"
RESUMES = ("auto", "never", "must")
CANDIDATE_TEXTS = ("sentence", "sentence+context")
CONCAT, MEAN_EMBEDDING = "concat", "mean-embedding"
EXPANSION_COMBINATIONS = (CONCAT, MEAN_EMBEDDING)
KL, MARGIN_MSE = "kl", "margin_mse"
SENTENCE_MODEL = "st:"  # before the folder or hub id of a model that sentence-transformers embeds with
STREAMED = ("miracl", "mldr", "neuclir")  # benchmarks whose passages are read as a stream
WHOLE, INT8, BINARY = "none", "int8", "binary"
QUANTIZATIONS = (WHOLE, INT8, BINARY)
OF_MODEL = "model"  # the value of an option that is left to the model it starts from or evaluates
FUSIONS = ("rrf", "minmax")
VALIDATION_LOSS = "validation_loss"  # the value of --best_metric that is no metric of a dev benchmark
MIN_MAX_LENGTH = 4  # tokens: the smallest maximum length, enough for prefix, special tokens and some text
