"""The options of launch/compile_check.py, besides those of training."""

import dataclasses
from typing import ClassVar

from hbt_jax.config.option import Part, option


@dataclasses.dataclass(frozen=True)
class CompileCheckConfig(Part):
    """What launch/compile_check.py compiles, besides a configuration of training."""

    title: ClassVar[str] = "Compile check"

    topology: str = option("", "TPU slice to compile for: a topology such as v5e:4x4, or a slice such as v5e-16")
    stand_in: bool = option(
        False,
        "take the architecture of --model from its name; assume texts of equal length; needs no weights and no data",
    )
    stand_in_vocabulary: int = option(0, "pieces of a stand-in's tokenizer; 0: the model's", minimum=0)
    stand_in_width: int = option(0, "width of a stand-in's encoder; 0: the model's", minimum=0)
    stand_in_layers: int = option(0, "layers of a stand-in's encoder; 0: the model's", minimum=0)
    stand_in_heads: int = option(0, "attention heads of a stand-in's encoder; 0: the model's", minimum=0)
    stand_in_feed_forward: int = option(0, "inner width of a stand-in's feed-forward part; 0: the model's", minimum=0)
    stand_in_query_tokens: int = option(0, "tokens of each query of a stand-in; 0: --query_length", minimum=0)
    stand_in_passage_tokens: int = option(0, "tokens of each passage of a stand-in; 0: --passage_length", minimum=0)
    eval_batch: int = option(
        256, "texts of 64 tokens that the evaluator embeds at a time on each device, as in launch/eval.py", minimum=1
    )
    largest_chunk: bool = option(
        True, "look for the largest --encode_chunk that fits; compiles several times unless all rows fit at once"
    )
    headroom: float = option(
        0.2, "fraction of the memory that should stay free; reported beside the verdict", minimum=0.0, maximum=0.9
    )
    program_cache: str = option("", "folder that caches compiled programs; empty: no cache")
    json: str = option("", "file for the result as JSON; empty: printed after the table")
    report: str = option("", "file for a report on all flag files for TPUs; empty: check the given flags only")
